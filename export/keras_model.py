"""Exports a run's encoder as a .keras file that opens in plain Keras.

Examples:

    The encoder, from images to embeddings:
        python -m export.keras_model --run_dir=runs/cifar100 \\
            --output=exported/cifar100.keras

    Its features before the head, to fine-tune them:
        python -m export.keras_model --run_dir=runs/cifar100 \\
            --output=exported/trunk.keras --features=backbone

    A clustering, whose file gives the clusters' probabilities too:
        python -m export.keras_model --run_dir=runs/cifar100/scan \\
            --output=exported/clusters.keras

The file is compared with the run's encoder before it is kept. Beside it, a
.keras.json file says where the model is from; the file itself says so too.
"""

from __future__ import annotations

import dataclasses

from and_tf import storage
from and_tf.utils import cli
from and_tf.utils.flag_config import Group, option
from export import one_file


@dataclasses.dataclass(frozen=True)
class KerasModelConfig(one_file.FeaturesFlags):
    """Flags that choose the run, its outputs and the file."""

    output: str = option(
        Group.OUTPUT,
        "",
        "New file to write, which ends in .keras.",
        required="a file that ends in .keras",
        path=True,
        urls=True,
    )


def main(config: KerasModelConfig) -> None:
    """Writes the .keras file and its description."""
    with storage.sent(storage.place(config.output)) as path:
        output, sidecar = one_file.places(path, ".keras", ".keras.json")
        cli.import_tensorflow()
        from export import checked_file, keras_file

        checked_file.write(config, output, sidecar, keras_file.make)
        print(f'open it: keras.models.load_model("{output}")')


if __name__ == "__main__":
    cli.run(main, KerasModelConfig)
