"""Exports a run's encoder as a SavedModel for TensorFlow Serving.

    python -m export.saved_model --run_dir=runs/quick --output_dir=exported \\
        --neighbours=5 --classify

writes exported/1/, or the next free number, which needs TensorFlow alone to
run. `export/serving/models.config` says how to serve it. A clustering's
directory, such as runs/quick/scan, is exported with its clusters.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError

_RUN_DIR = paths.define("run_dir", "", "The run, or the clustering.")
_OUTPUT_DIR = paths.define(
    "output_dir", "", "Where the version goes, into a sub-directory."
)
_CHECKPOINT = cli.define_checkpoint()
_NEIGHBOURS = bounds.define_number(
    "neighbours",
    0,
    "Adds signatures that name this many of the most similar training images. "
    "0: none.",
    least=0,
    most=bounds.NEIGHBOURS,
)
_CLASSIFY = flags.DEFINE_bool(
    "classify",
    False,
    "Adds signatures that classify by weighted kNN. Those of a clustering are "
    "there anyway, and give its clusters.",
)
_KNN_NEIGHBOURS = bounds.define_number(
    "knn_neighbours",
    200,
    "How many vote on a class.",
    least=1,
    most=bounds.NEIGHBOURS,
)
_KNN_TEMPERATURE = bounds.define_number(
    "knn_temperature", 0.1, "τ of the votes.", above=0.0, most=bounds.FACTOR
)
_GALLERY = flags.DEFINE_enum(
    "gallery",
    "clean",
    ["clean", "bank"],
    "What is compared with: the training images' own embeddings, or the "
    "memory bank, for which --neighbours needs no data.",
)
_DATA_DIR = paths.define(
    "data_dir", "", "Where its data set lies. Empty: where it lay in training."
)
_MODEL_NAME = flags.DEFINE_string(
    "model_name", "and", "By which the server will know it."
)


def main(argv: Sequence[str]) -> None:
    """Reads the flags and exports."""
    del argv
    for name, flag in (("run_dir", _RUN_DIR), ("output_dir", _OUTPUT_DIR)):
        if not flag.value:
            raise InputError(f"Expected --{name}, a directory. Received none.")
    if not _MODEL_NAME.value or "/" in _MODEL_NAME.value:
        raise InputError(
            f"Expected a --model_name without a slash. Received: "
            f"{_MODEL_NAME.value!r}."
        )
    paths.check_output("output_dir", pathlib.Path(_OUTPUT_DIR.value))
    cli.import_tensorflow()
    from export import exportable
    from export.serving import saved_model_writer, servable

    saved_model_writer.export(
        exportable.load(pathlib.Path(_RUN_DIR.value), _CHECKPOINT.value),
        pathlib.Path(_OUTPUT_DIR.value),
        servable.Options(
            _NEIGHBOURS.value,
            _CLASSIFY.value,
            _KNN_NEIGHBOURS.value,
            _KNN_TEMPERATURE.value,
        ),
        gallery_kind=_GALLERY.value,
        data_dir=_DATA_DIR.value,
        model_name=_MODEL_NAME.value,
    )


if __name__ == "__main__":
    cli.run(main)
