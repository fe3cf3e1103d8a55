"""The training images that an exported encoder compares with."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.data.split import Split
from and_tf.evaluation.embeddings import embed
from and_tf.training import trained
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted
from export.exportable import Exportable

KINDS = ("clean", "bank")


@dataclasses.dataclass(frozen=True, eq=False)
class Gallery:
    """Embedded training images, in order of number.

    Attributes:
        rows: float32 [N, D], unit norm.
        labels: int64 [N], -1 where unlabelled; None where none is known.
        class_names: Name of each label.
        file_names: Of a folder, the relative path of each.
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
    data_dir: str = "",
) -> Gallery:
    """Makes the gallery of a run.

    The memory bank alone needs no data; with `labelled` or a `data_dir` its
    rows get the labels and file names that the data have.

    Args:
        run: A run, or a clustering of one.
        kind: "clean", the training images' own embeddings, computed now, or
            "bank", the memory bank of the checkpoint.
        labelled: Whether labels are needed.
        data_dir: Where the run's data lie now; empty where they lay in
            training.

    Raises:
        InputError: If the data cannot be had, are not those of the bank, or
            have no labels though they are needed.
    """
    if kind == "bank" and not labelled and not data_dir:
        return Gallery(run.bank_rows())
    train = trained.load_images(run.config, data_dir).train
    if labelled and (train.labels is None or not (train.labels >= 0).any()):
        raise InputError(
            f"Expected labels for --classify. Received none in {train.name}: "
            "class sub-folders, or a data set with labels, have them."
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
