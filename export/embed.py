"""Embeds images with an exported encoder.

Examples:

    A folder of photos:
        python -m export.embed --model=exported/encoder.tflite \\
            --images=photos --output=photos.npz

    Only the .jpg files below it, as a table that spreadsheets open:
        python -m export.embed --model=exported/encoder.tflite \\
            --images='photos/**/*.jpg' --output=photos.csv

    The test images of a table of paths, whose table has their paths:
        python -m export.embed --model=exported/encoder.tflite \\
            --images=data:manifest/test --data_dir=photos.csv \\
            --output=photos.parquet

    The test images of CIFAR-10, with a SavedModel:
        python -m export.embed --model=exported/cifar10 \\
            --images=tfds:cifar10/test --output=cifar10.parquet

The suffix of --output chooses the format. Beside the output a .json file says
how it was made. If the command is interrupted, run it again: it continues
where it was.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

from and_tf import storage
from and_tf.utils import bounds, cli, paths
from and_tf.utils.escaping import for_console
from and_tf.utils.flag_config import FlagConfig, Group, option
from and_tf.utils.progress import duration
from export.embeddings import tables

_NAMED = 3  # The console names at most this many unreadable images.


@dataclasses.dataclass(frozen=True)
class EmbedConfig(FlagConfig):
    """Flags that name the images, the model and the output."""

    model: str = option(
        Group.MODEL,
        "",
        "File of a .tflite model, or directory of a SavedModel.",
        required="a .tflite file or the directory of a SavedModel",
        path=True,
        urls=True,
    )
    images: str = option(
        Group.DATA,
        "",
        "Images to embed: a folder, an image file, a quoted pattern such as "
        "'photos/**/*.jpg', an .npz file, tfds:<data set>/<split>, or "
        "data:<dataset>/<split> with --data_dir, for a --dataset of "
        "and_tf.train such as manifest or webdataset.",
        required="a folder, a file, a pattern or tfds:<data set>/<split>",
        path=True,
        urls=True,
    )
    output: str = option(
        Group.OUTPUT,
        "",
        "New file to write, which ends in .npz, .csv, .parquet or .tfrecord.",
        required="a new .npz, .csv, .parquet or .tfrecord file",
        path=True,
        urls=True,
    )
    batch_size: int = option(
        Group.MODEL,
        64,
        "Number of images that are embedded at a time; more need more memory.",
        unit="images",
        least=1,
        most=bounds.BATCH,
    )
    data_dir: str = option(
        Group.DATA,
        "",
        "Directory where TFDS keeps its data sets, or the file, directory or "
        "pattern of --images=data:…. If empty, it is TFDS' own default.",
        path=True,
        urls=True,
    )
    label_key: str = option(
        Group.DATA,
        "",
        "Label to write beside the embeddings, where a data set has several.",
    )
    image_key: str = option(
        Group.DATA,
        "",
        "Feature, column or array of images with --images=data:…. If empty, "
        "it is found by its usual names.",
    )


def main(config: EmbedConfig) -> None:
    """Embeds the images and writes the table and its sidecar."""
    with storage.sent(storage.place(config.output)) as output:
        _embed(config, output)


def _embed(config: EmbedConfig, output: pathlib.Path) -> None:
    tables.check_output(output)
    cli.import_tensorflow()
    from and_tf.data.walking import summaries
    from export.embeddings import encoders, extraction, sources

    encoder = encoders.load(config.model)
    source = sources.open_source(
        config.images,
        config.data_dir,
        config.label_key,
        config.image_key,
        encoder.form,
    )
    result = extraction.extract(
        encoder,
        source,
        output,
        model=(
            config.model
            if paths.is_url(config.model)
            else os.path.abspath(config.model)
        ),
        batch_size=config.batch_size,
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
            f"{more}; all are in {tables.skipped_list(output)}"
        )
    print(
        f"wrote {output}\n"
        f"search it: python -m export.search --index={output} --query=<image>"
    )


if __name__ == "__main__":
    cli.run(main, EmbedConfig)
