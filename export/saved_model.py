"""Exports a run's encoder as a SavedModel for TensorFlow Serving.

Examples:

    The encoder, from images to embeddings:
        python -m export.saved_model --run_dir=runs/quick \\
            --output_dir=exported

    With the five most similar training images, and classes by kNN:
        python -m export.saved_model --run_dir=runs/quick \\
            --output_dir=exported --neighbours=5 --classify

    A clustering or a fine-tuning, which gives clusters or classes too:
        python -m export.saved_model --run_dir=runs/quick/scan \\
            --output_dir=exported_clusters

It writes <output_dir>/1/, or the next free number, which needs TensorFlow only
to run. export/serving/models.config says how to serve it.
"""

from __future__ import annotations

import dataclasses
import pathlib

from and_tf import storage
from and_tf.training.run_flags import RunFlags
from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class SavedModelConfig(RunFlags):
    """Flags that choose the run to export and the model's signatures."""

    output_dir: str = option(
        Group.OUTPUT,
        "",
        "Directory of the model's versions; this one goes into a new "
        "sub-directory with the next free number.",
        required="a directory",
        path=True,
        urls=True,
    )
    neighbours: int = option(
        Group.EXPORT,
        0,
        "Number of the most similar training images that additional "
        "signatures name. 0 adds no such signatures.",
        unit="neighbours",
        least=0,
        most=bounds.NEIGHBOURS,
    )
    classify: bool = option(
        Group.EXPORT,
        False,
        "Add signatures that classify by weighted kNN. A clustering or "
        "fine-tuning always has signatures that give its own answers.",
    )
    knn_neighbours: int = option(
        Group.EXPORT,
        200,
        "Number of neighbours K that vote on a class with --classify. 200 is "
        "the paper's.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    knn_temperature: float = option(
        Group.EXPORT,
        0.1,
        "Temperature τ of the votes' weights: a smaller one gives the nearest "
        "neighbours more weight. 0.1 is the authors' value.",
        above=0.0,
        most=bounds.FACTOR,
    )
    gallery: str = option(
        Group.EXPORT,
        "clean",
        "What images are compared with: clean, the embeddings of the training "
        "images, which are computed now; or bank, the memory bank, with which "
        "--neighbours needs no data.",
        choices=("clean", "bank"),
    )
    model_name: str = option(
        Group.EXPORT, "and", "Name by which the server will know the model."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_name or "/" in self.model_name:
            raise InputError(
                "Expected a --model_name without a slash. Received: "
                f"{self.model_name!r}."
            )


def main(config: SavedModelConfig) -> None:
    """Writes the next version of the run's encoder to the output directory."""
    output = storage.place(config.output_dir)
    with storage.sent(output, directory=True):
        _export(config, output)


def _export(config: SavedModelConfig, output: pathlib.Path) -> None:
    paths.check_output("output_dir", output)
    cli.import_tensorflow()
    from export import exportable
    from export.serving import saved_model_writer, servable

    saved_model_writer.export(
        exportable.load(
            config.run_directory, config.checkpoint, config.data_dir
        ),
        output,
        servable.Options(
            config.neighbours,
            config.classify,
            config.knn_neighbours,
            config.knn_temperature,
        ),
        gallery_kind=config.gallery,
        model_name=config.model_name,
    )


if __name__ == "__main__":
    cli.run(main, SavedModelConfig)
