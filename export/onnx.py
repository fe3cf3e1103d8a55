"""Exports a run's encoder as an ONNX file, checked with onnxruntime.

Examples:

    The encoder, from images to embeddings:
        python -m export.onnx --run_dir=runs/cifar100 \\
            --output=exported/cifar100.onnx

    Its features before the head:
        python -m export.onnx --run_dir=runs/cifar100 \\
            --output=exported/trunk.onnx --features=backbone

    A clustering, whose file gives the clusters' probabilities too:
        python -m export.onnx --run_dir=runs/cifar100/scan \\
            --output=exported/clusters.onnx

It needs the packages of the extra onnx. The file is compared with the run's
encoder before it is kept. Beside it, a .onnx.json file says where the model is
from; the file's metadata say so too.
"""

from __future__ import annotations

import dataclasses

from and_tf import storage
from and_tf.utils import cli
from and_tf.utils.flag_config import Group, option
from export import one_file


@dataclasses.dataclass(frozen=True)
class OnnxConfig(one_file.FeaturesFlags):
    """Flags that choose the run, its outputs and the file."""

    output: str = option(
        Group.OUTPUT,
        "",
        "New file to write, which ends in .onnx.",
        required="a file that ends in .onnx",
        path=True,
        urls=True,
    )


def main(config: OnnxConfig) -> None:
    """Writes the ONNX file and its description."""
    with storage.sent(storage.place(config.output)) as path:
        output, sidecar = one_file.places(path, ".onnx", ".onnx.json")
        cli.import_tensorflow()
        from export import checked_file, onnx_file

        onnx_file.check_packages()
        checked_file.write(config, output, sidecar, onnx_file.make)


if __name__ == "__main__":
    cli.run(main, OnnxConfig)
