"""Writes a run to TensorBoard: scalars, pictures, flags and embeddings."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from and_tf import figures
from and_tf.figures import projector
from and_tf.figures.tiles import Images, take
from and_tf.method.discovery import Neighbourhoods
from and_tf.training.callbacks.event_files import (
    keep_events,
    writing,
)

TAGS = {  # TensorBoard's tags by the keys of an epoch's logs.
    "loss": "loss",
    "accuracy": "accuracy",
    "cosine": "cosine",
    "and_loss": "and_loss",
    "teacher_loss": "teacher_loss",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
    "knn_bank": "knn/bank",
    "knn_clean": "knn/clean",
    "anchors": "neighbourhoods/anchors",
    "consistency": "neighbourhoods/consistency",
    "consistency_all": "neighbourhoods/consistency_all",
    "consistency_loss": "clustering/consistency_loss",
    "entropy": "clustering/entropy",
    "validation_loss": "clustering/validation_loss",
    "clusters_used": "clustering/clusters_used",
    "largest_cluster": "clustering/largest_cluster",
    "acc": "clustering/acc",
    "confident": "self_labelling/confident",
    "confident_acc": "self_labelling/confident_acc",
    "skipped": "self_labelling/skipped",
    "held_out_loss": "fine_tuning/held_out_loss",
    "held_out_top1": "fine_tuning/held_out_top1",
}
MOST_POINTS = 5000  # The projector moves so many smoothly.
THUMBNAIL = 32  # The side of a point's image, in pixels.


class TensorBoardWriter(keras.callbacks.Callback):
    """A callback that writes the logs and results of a run to TensorBoard.

    A step is the number of finished epochs. When a run is resumed, events after
    its checkpoint are deleted and missing ones are written, so that each epoch
    appears exactly once.

    Args:
        directory: The run's TensorBoard directory.
        flags: The flags of the run, by name, for the HParams tab. Values other
            than numbers, texts and bools are shown as text.
        history: The logs of the epochs that the run has finished.
        first_step: The number of steps done in the epoch after these.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        flags: Mapping[str, object] | None = None,
        history: Sequence[Mapping[str, Any]] = (),
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self._directory = pathlib.Path(directory)
        there = keep_events(
            self._directory,
            lambda tag, step: _belongs(tag, step, len(history), first_step),
        )
        with writing(self._directory):
            self._writer = tf.summary.create_file_writer(str(directory))
        if flags:
            with self._at(0):
                hparams.hparams(
                    {name: _plain(value) for name, value in flags.items()}
                )
        for row in history:
            if (TAGS["loss"], row["epoch"] + 1) not in there:
                self.on_epoch_end(row["epoch"], row)

    def on_epoch_end(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Writes the epoch's scalars."""
        with self._at(epoch + 1):
            logs = logs or {}
            for key, tag in TAGS.items():
                if key in logs:
                    tf.summary.scalar(tag, logs[key])

    def write_result(self, result: Mapping[str, float], step: int) -> None:
        """Writes final figures as scalars "final/<name>".

        The HParams tab shows them beside the flags; this prefix puts them among
        the few metrics that it shows by default.

        Args:
            result: The figures by name.
            step: The number of finished epochs.
        """
        with self._at(step):
            for name, value in result.items():
                tf.summary.scalar(f"final/{name}", value)

    def write_neighbourhoods(
        self,
        neighbourhoods: Neighbourhoods,
        images: Images,
        labels: np.ndarray | None,
        step: int,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """Writes the neighbourhoods of a round: entropies and a picture.

        Args:
            neighbourhoods: The neighbourhoods of N samples.
            images: uint8 [N, H, W, 3], or a function from sample numbers,
                int64 [m], to those images.
            labels: int64 [N], −1 where unlabelled, or None.
            step: The number of epochs finished before the round.
            class_names: The names of the labels, or None.
        """
        picture = figures.gallery_array(
            images, neighbourhoods, labels=labels, class_names=class_names
        )
        is_anchor = neighbourhoods.is_anchor
        with self._at(step):
            for name, chosen in (
                ("selected", is_anchor),
                ("unselected", ~is_anchor),
            ):
                if chosen.any():
                    tf.summary.histogram(
                        f"entropy/{name}", neighbourhoods.entropy[chosen]
                    )
            if neighbourhoods.recall is not None:
                tf.summary.scalar(
                    "neighbourhoods/recall", neighbourhoods.recall
                )
            tf.summary.image("neighbourhoods", picture[np.newaxis])

    def write_projector(
        self,
        embeddings: np.ndarray,
        numbers: np.ndarray,
        images: Images,
        labels: np.ndarray | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """Writes points with thumbnails for the embedding projector.

        Args:
            embeddings: float [m, D]: the embeddings of some samples, such as
                those that `spread` selects.
            numbers: int64 [m]: the samples' numbers.
            images: uint8 [N, H, W, 3], or a function from sample numbers,
                int64 [m], to those images.
            labels: int64 [N], −1 where unlabelled, or None.
            class_names: The names of the labels, or None.
        """
        projector.write(
            self._directory,
            embeddings,
            figures.sprite(take(images, numbers), THUMBNAIL),
            THUMBNAIL,
            _metadata(numbers, labels, class_names),
        )

    def close(self) -> None:
        """Closes the file; nothing can be written afterwards."""
        with writing(self._directory):
            self._writer.close()

    @contextlib.contextmanager
    def _at(self, step: int) -> Iterator[None]:
        """Writes events of a block at a step, and flushes them to the disk."""
        with writing(self._directory), self._writer.as_default(step=step):
            yield
            self._writer.flush()


def spread(num_examples: int) -> np.ndarray:
    """Selects the samples that the projector shows.

    Returns:
        int64 [m]: the numbers of all samples, or of `MOST_POINTS` of them,
        evenly spread.
    """
    count = min(num_examples, MOST_POINTS)
    return np.arange(count) * num_examples // count


def _belongs(tag: str, step: int, epochs: int, first_step: int) -> bool:
    """Returns whether an event is from before the run's checkpoint.

    Flags and final figures are written anew in any case, so it returns False.
    """
    if tag.startswith(("_hparams_", "final/")):
        return False
    if tag in TAGS.values():
        return step <= epochs
    # The other events mark the beginning of a round. That of the next epoch is
    # kept only if this epoch was begun, as it is then not written again.
    return step < epochs or (step == epochs and first_step > 0)


def _plain(value: object) -> bool | int | float | str:
    """Returns the value as a type that the HParams tab accepts."""
    return value if isinstance(value, bool | int | float | str) else str(value)


def _metadata(
    numbers: np.ndarray,
    labels: np.ndarray | None,
    class_names: Sequence[str] | None,
) -> str:
    """Returns the projector's table, with a header if it has two columns."""
    if labels is None:
        return projector.table(["number"], [[n] for n in numbers])
    rows = []
    for number in numbers:
        label = labels[number]
        name = class_names[label] if class_names and label >= 0 else label
        rows.append([name, number])
    return projector.table(["class", "number"], rows)
