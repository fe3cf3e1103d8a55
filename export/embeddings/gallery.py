"""Makes the gallery of training images that exported encoders compare with."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.data.split import Split
from and_tf.evaluation.embeddings import embed
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted
from export.exportable import Exportable

KINDS = ("clean", "bank")


@dataclasses.dataclass(frozen=True, eq=False)
class Gallery:
    """Embedded training images, in order of number.

    Attributes:
        rows: float32 [N, D], unit norm, the embeddings.
        labels: int64 [N], -1 if unlabelled; None if no label is known.
        class_names: The name of each label, or None.
        file_names: The relative path of each image of a folder, or None.
    """

    rows: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    file_names: tuple[str, ...] | None = None


def read(
    run: Exportable,
    kind: str,
    *,
    labelled: bool = False,
) -> Gallery:
    """Makes the gallery of a run.

    A gallery of the memory bank needs no data. If `labelled` is True or the
    run was given a `data_dir`, the data are read for labels and file names.

    Args:
        run: A run or a clustering.
        kind: "clean" computes the embeddings of the training images now;
            "bank" takes the memory bank of the checkpoint.
        labelled: Whether labels are needed; the default is False.

    Raises:
        InputError: If the data cannot be loaded, do not fit the memory bank,
            or have no labels although they are needed.
    """
    if kind == "bank" and not labelled and not run.data_dir:
        return Gallery(run.bank_rows())
    train = run.images.train
    if labelled and (train.labels is None or not (train.labels >= 0).any()):
        raise InputError(
            f"Expected labels for --classify. Received none in {train.name}. "
            "Sort the images into sub-folders by class, or use a data set "
            "with labels."
        )
    rows = run.bank_rows() if kind == "bank" else _embed(run, train)
    if len(rows) != train.size:
        raise InputError(
            f"Expected the {len(rows):,} training images that the memory bank "
            f"has rows for. Received: {train.size:,} in {train.name}. Restore "
            "the data, or export with --gallery=clean."
        )
    return Gallery(rows, train.labels, train.class_names, train.file_names)


def _embed(run: Exportable, split: Split) -> np.ndarray:
    with Counted("embed", split.size) as progress:
        return embed(run.encoder, split, run.image_size, progress.advance)
