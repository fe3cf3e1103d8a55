"""A run in TensorBoard: scalars, neighbourhoods, flags and embeddings."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hparams

from and_tf import figures
from and_tf.figures.tiles import Images, take
from and_tf.method.discovery import Neighbourhoods
from and_tf.training.callbacks.event_files import (
    keep_events,
    writing,
)
from and_tf.utils import atomic_files

TAGS = {  # By key of an epoch's logs.
    "loss": "loss",
    "accuracy": "accuracy",
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
}
MOST_POINTS = 5000  # That the projector moves smoothly.
THUMBNAIL = 32  # Pixels a side of a point's image.


class TensorBoardWriter(keras.callbacks.Callback):
    """Writes what a run's logs hold, and what its main hands over.

    A step is the number of finished epochs. Of a run that is taken up again,
    what was written after its checkpoint goes, and what is missing comes, so
    that nothing is there twice and no epoch is left out.

    Args:
        directory: The run's folder for TensorBoard.
        flags: What the run was started with, by name, for the HParams tab;
            what is no number, text or bool is shown as text.
        history: Logs of the epochs that the run has finished.
        first_step: Steps that it has done of the epoch after them.
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

        The HParams tab shows them beside the flags; by this name they come
        among the few that it shows unasked.

        Args:
            result: Numbers by name.
            step: Epochs finished.
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
        """Writes what a round discovered: entropies and a picture.

        Args:
            neighbourhoods: Of N samples.
            images: uint8 [N, H, W, 3], or a function from sample numbers,
                int64 [m], to those images.
            labels: int64 [N], −1 where unlabelled, or None.
            step: Epochs finished before the round.
            class_names: Names of the labels, or None.
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
            embeddings: float [m, D]; of some samples, such as `spread` takes.
            numbers: int64 [m], the samples' numbers.
            images: uint8 [N, H, W, 3], or a function from sample numbers,
                int64 [m], to those images.
            labels: int64 [N], −1 where unlabelled, or None.
            class_names: Names of the labels, or None.
        """
        sheet = figures.sprite(take(images, numbers), THUMBNAIL)
        with writing(self._directory):
            self._write_points(
                embeddings, sheet, _metadata(numbers, labels, class_names)
            )

    def _write_points(
        self, embeddings: np.ndarray, sheet: np.ndarray, metadata: str
    ) -> None:
        """Writes the projector's files, [m, D], its sprites and its table."""
        figures.save_png(sheet, self._directory / "sprite.png")
        np.savetxt(
            self._directory / "embeddings.tsv",
            embeddings,
            fmt="%.5g",
            delimiter="\t",
        )
        atomic_files.write_text(self._directory / "metadata.tsv", metadata)
        config = projector.ProjectorConfig()
        points = config.embeddings.add()
        points.tensor_name = "embeddings"
        points.tensor_path = "embeddings.tsv"
        points.metadata_path = "metadata.tsv"
        points.sprite.image_path = "sprite.png"
        points.sprite.single_image_dim.extend([THUMBNAIL, THUMBNAIL])
        projector.visualize_embeddings(str(self._directory), config)

    def close(self) -> None:
        """Ends the file; nothing can be written after."""
        with writing(self._directory):
            self._writer.close()

    @contextlib.contextmanager
    def _at(self, step: int) -> Iterator[None]:
        """Has what is written in it at a step, and on the disk after it."""
        with writing(self._directory), self._writer.as_default(step=step):
            yield
            self._writer.flush()


def spread(num_examples: int) -> np.ndarray:
    """Sample numbers for the projector, int64 [m].

    All, or `MOST_POINTS` of them, evenly spread.
    """
    count = min(num_examples, MOST_POINTS)
    return np.arange(count) * num_examples // count


def _belongs(tag: str, step: int, epochs: int, first_step: int) -> bool:
    """Whether an event is of what the run has done so far.

    Flags and final figures are written anew in any case.
    """
    if tag.startswith(("_hparams_", "final/")):
        return False
    if tag in TAGS.values():
        return step <= epochs
    # A round's beginning: of the present epoch, if it is not begun again.
    return step < epochs or (step == epochs and first_step > 0)


def _plain(value: object) -> bool | int | float | str:
    """The value as a type that the HParams tab takes."""
    return value if isinstance(value, bool | int | float | str) else str(value)


def _metadata(
    numbers: np.ndarray,
    labels: np.ndarray | None,
    class_names: Sequence[str] | None,
) -> str:
    """The projector's table: a line a point, headed if it has two columns."""
    if labels is None:
        return "".join(f"{number}\n" for number in numbers)
    lines = ["class\tnumber\n"]
    for number in numbers:
        label = labels[number]
        name = class_names[label] if class_names and label >= 0 else label
        lines.append(f"{' '.join(str(name).split())}\t{number}\n")
    return "".join(lines)
