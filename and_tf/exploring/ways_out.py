"""Writes what other tools open, for those that --formats names."""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Sequence

from and_tf.exploring import (
    config,
    fiftyone_file,
    label_studio_files,
    links,
    projector_files,
    thumbnail_table,
)
from and_tf.exploring.outgoing import Outgoing, WayOut

_WRITE = {
    config.FIFTYONE: fiftyone_file.write,
    config.LABEL_STUDIO: label_studio_files.write,
    config.TENSORBOARD: projector_files.write,
    config.THUMBNAILS: thumbnail_table.write,
    config.LINKS: links.write,
}
_HOW = {
    config.FIFTYONE: "fiftyone app view --json-path {}",
    config.LABEL_STUDIO: "docs/exploring.md says how to import it",
    config.TENSORBOARD: "tensorboard --logdir {}",
    config.THUMBNAILS: "embedding-atlas {} --x x --y y --neighbors neighbors "
    "--image image",
    config.LINKS: "folders for any file manager",
}


def write(
    images: Outgoing, directory: pathlib.Path, formats: Sequence[str]
) -> list[WayOut]:
    """Writes the images in some formats.

    Args:
        images: The images.
        directory: The directory to write to.
        formats: Some of `config.FORMATS`.

    Returns:
        What was written, in the order of `formats`.

    Raises:
        InputError: If something cannot be written.
    """
    return [
        WayOut(
            path := _WRITE[name](images, directory),
            _HOW[name].format(shlex.quote(str(path))),
            _remark(images, name),
        )
        for name in formats
    ]


def _remark(images: Outgoing, name: str) -> str:
    """Says what a format leaves out."""
    count, unwritable = len(images.table), int((~images.writable).sum())
    if name in (config.FIFTYONE, config.LABEL_STUDIO) and unwritable:
        return f"left out {unwritable:,} whose names are not UTF-8"
    most = projector_files.MOST_POINTS
    if name == config.TENSORBOARD and count > most:
        return f"left out {count - most:,} of {count:,}, evenly"
    return ""
