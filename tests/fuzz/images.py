"""Tries image files on `and_tf.data.image_file`."""

from __future__ import annotations

import pathlib

import numpy as np

from and_tf.data import image_file
from and_tf.data.image_file import Header
from tests.fuzz import valid_images
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target


def make(directory: pathlib.Path) -> Target:
    """Makes a target that compares an image's header with its pixels."""
    files = valid_images.files()
    path = directory / "image"

    def check(value: Damaged) -> None:
        path.write_bytes(value.content(files))
        header = image_file.read_header(path)
        image_file.largest_value(path)
        image = image_file.read_or_none(path)
        if not value.changes and not value.name.endswith((" F", " I")):
            assert image is not None, "a whole file is not read"
        if image is None:
            return
        assert image.dtype == np.uint8 and image.ndim == 3, image.shape
        assert isinstance(header, Header), f"decoded, but {header}"
        size = header.height, header.width, 3
        assert image.shape == size, f"{image.shape} and {header}"

    return Target(damaged(files), check)
