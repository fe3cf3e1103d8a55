"""Embeds images with an exported encoder.

    python -m export.embed --model=exported/encoder.tflite \\
        --images=photos --output=photos.npz

The output's suffix chooses its format: .npz, .csv, .parquet or .tfrecord.
Beside it a .json file says how it came about. An interrupted command goes on
where it was when it is run again.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import for_console
from and_tf.utils.progress import duration
from export.embeddings import outputs

_NAMED = 3  # Images that could not be read and are named on the console.

_MODEL = paths.define(
    "model", "", "A .tflite file, or the directory of a SavedModel."
)
_IMAGES = paths.define(
    "images",
    "",
    "A folder, an image file, a quoted pattern such as 'photos/**/*.jpg', an "
    ".npz file, or tfds:<data set>/<split>.",
)
_OUTPUT = paths.define(
    "output", "", "A new .npz, .csv, .parquet or .tfrecord file."
)
_BATCH_SIZE = bounds.define_number(
    "batch_size",
    64,
    "Images that are embedded at a time.",
    least=1,
    most=bounds.BATCH,
)
_DATA_DIR = paths.define(
    "data_dir", "", "Where TFDS keeps its data. Empty: its usual place."
)
_LABEL_KEY = flags.DEFINE_string(
    "label_key", "", "Which label, where a data set of TFDS has several."
)


def main(argv: Sequence[str]) -> None:
    """Reads the flags and embeds."""
    del argv
    for flag in (_MODEL, _IMAGES, _OUTPUT):
        if not flag.value:
            raise InputError(
                f"Expected --{flag.name}: {flags.FLAGS[flag.name].help} "
                "Received: none."
            )
    output = pathlib.Path(_OUTPUT.value)
    outputs.check(output)
    cli.import_tensorflow()
    from and_tf.data.skipped import summaries
    from export.embeddings import encoders, extraction, sources

    encoder = encoders.load(_MODEL.value)
    source = sources.open_source(
        _IMAGES.value, _DATA_DIR.value, _LABEL_KEY.value
    )
    result = extraction.extract(
        encoder,
        source,
        output,
        model=os.path.abspath(_MODEL.value),
        batch_size=_BATCH_SIZE.value,
    )
    print(
        f"embedded {result.count:,} images in {duration(result.seconds)}, "
        f"{result.images_per_second:,.0f} images/s"
    )
    for summary in summaries(source.split.skipped):
        print(f"left out {summary}")
    if result.skipped:
        named = ", ".join(map(for_console, result.skipped[:_NAMED]))
        more = ", …" if len(result.skipped) > _NAMED else ""
        print(
            f"left out {len(result.skipped):,} that cannot be read: {named}"
            f"{more}; all are in {outputs.skipped_list(output)}"
        )
    print(
        f"wrote {output}\n"
        f"search it: python -m export.search --index={output} --query=<image>"
    )


if __name__ == "__main__":
    cli.run(main)
