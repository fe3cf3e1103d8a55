"""Mines the nearest neighbours of every image, once per clustering."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from and_tf.distribution.process_group import ProcessGroup
from and_tf.search.nearest import nearest
from and_tf.utils import archives, atomic_files
from and_tf.utils.errors import InputError

_ARRAYS = {"train": ("iu", 2), "evaluation": ("iu", 2)}


@dataclasses.dataclass(frozen=True)
class Mined:
    """The mined neighbours of both splits, each within its own split.

    An image is not its own neighbour, unless `without_false` leaves no other.

    Attributes:
        train: int32 [N, K], the neighbours of the training images.
        evaluation: int32 [M, K'], the neighbours of the evaluation images,
            where K' is the lower of K and M − 1. Without a test split, they
            are the neighbours mined for the training images.
    """

    train: np.ndarray
    evaluation: np.ndarray


def mine(
    train: np.ndarray,
    test: np.ndarray | None,
    k: int,
    processes: ProcessGroup | None = None,
) -> Mined:
    """Mines neighbours by the cosine similarity of clean embeddings.

    Args:
        train: float32 [N, D], unit norm, the training embeddings.
        test: float32 [M, D], unit norm, the test embeddings; None without a
            test split.
        k: The number of neighbours K.
        processes: The processes that share the search. None searches on one
            device.

    Raises:
        InputError: If there are fewer than K other training images.
    """
    found = nearest(
        train, train, k, exclude_self=True, processes=processes
    ).index
    if test is None:
        return Mined(found, found)
    most = min(k, len(test) - 1)
    others = nearest(
        test, test, most, exclude_self=True, processes=processes
    ).index
    return Mined(found, others)


def agreement(
    neighbours: np.ndarray, labels: np.ndarray | None
) -> float | None:
    """Computes the share of neighbours that have their image's label.

    It tells how good the mined neighbours are. For random neighbours it is
    about 1 / classes, and the accuracy of clusters is hardly ever higher.

    Args:
        neighbours: int32 [N, K], the neighbours of each image.
        labels: int64 [N], the labels or clusters of the images, −1 where
            unknown; None if none is known.

    Returns:
        The share, from 0 to 1; None if no image has a label together with one
        of its neighbours.
    """
    if labels is None:
        return None
    theirs = labels[neighbours]  # [N, K]
    known = (theirs >= 0) & (labels >= 0)[:, None]
    if not known.any():
        return None
    return float((theirs == labels[:, None])[known].mean())


def without_false(neighbours: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the neighbours of each image that have its own label.

    False neighbours are replaced by repeating the true ones in turn, so each
    row keeps K entries. An image with no true neighbour, or without a label,
    is its own neighbour.

    Args:
        neighbours: int32 [N, K], the neighbours of each image.
        labels: integer [N], −1 where unknown.

    Returns:
        int32 [N, K].
    """
    same = (labels[neighbours] == labels[:, None]) & (labels >= 0)[:, None]
    places = np.argsort(~same, axis=1, kind="stable")  # True ones first.
    count = same.sum(1)  # [N]
    turns = np.arange(neighbours.shape[1]) % np.maximum(count, 1)[:, None]
    kept = np.take_along_axis(
        neighbours, np.take_along_axis(places, turns, axis=1), axis=1
    )
    alone = np.arange(len(neighbours), dtype=neighbours.dtype)
    return np.where(count[:, None] > 0, kept, alone[:, None])


def write(path: pathlib.Path, mined: Mined) -> None:
    """Writes the mined neighbours, so that a resumed run uses the same."""
    atomic_files.write(
        path,
        lambda file: np.savez_compressed(file, **dataclasses.asdict(mined)),
    )


def read(path: pathlib.Path, train_size: int, evaluation_size: int) -> Mined:
    """Reads the mined neighbours.

    Args:
        path: The file.
        train_size: The number N of training images.
        evaluation_size: The number M of evaluation images.

    Raises:
        InputError: If the file is missing, damaged or of other images.
    """
    try:
        mined = Mined(*archives.read(path, _ARRAYS))
        for numbers in (mined.train, mined.evaluation):
            archives.check_rows(len(numbers), numbers)
    except archives.DAMAGE as error:
        raise InputError(
            "The neighbours that the clustering began with cannot be read "
            f"from {path} ({archives.why(error)}). Begin another clustering "
            "with another --output_dir."
        ) from error
    sizes = len(mined.train), len(mined.evaluation)
    if sizes != (train_size, evaluation_size):
        raise InputError(
            f"Expected neighbours of {train_size:,} and {evaluation_size:,} "
            f"images in {path}. Received: {sizes[0]:,} and {sizes[1]:,}. The "
            "file belongs to other data."
        )
    return mined
