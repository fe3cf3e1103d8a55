"""Computes Grad-CAM maps of a run's images, checkpoint by checkpoint."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from and_tf.evaluation import grad_cam
from and_tf.evaluation.grad_cam import GradCam
from and_tf.evaluation.neighbourhoods import mean_or_none
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.experiment import rounds_of
from and_tf.training.run import Run
from and_tf.utils.archives import DAMAGE, why
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

BATCH = 32
# The smallest side of a map that has a centre; in a smaller map, no place is
# closer to the centre than others.
SMALLEST = 3


@dataclasses.dataclass(frozen=True)
class Moment:
    """The maps and similarities from one checkpoint.

    Attributes:
        round: The round at whose end the checkpoint was written, or None.
        epochs: The number of finished epochs.
        step: The number of steps done of the next epoch.
        maps: float32 [m, h, w], the heat maps of all images.
        similarities: float32 [m], the similarity of each embedding with its
            own row of the memory bank.
    """

    round: int | None
    epochs: int
    step: int
    maps: np.ndarray
    similarities: np.ndarray

    @property
    def name(self) -> str:
        """The name in the picture and in the table."""
        if self.round is not None:
            return f"round {self.round}" if self.round else "instance"
        within = f", step {self.step}" if self.step else ""
        return f"epoch {self.epochs}{within}"


def checkpoint_files(run: Run) -> dict[pathlib.Path, int | None]:
    """Finds the run's own checkpoint and those of its rounds, oldest first.

    Returns:
        A dict from each file to the round at whose end it was written, or to
        None.
    """
    kept = run.directory.checkpoints.of_rounds(rounds_of(run.config))
    rounds = {path: number for number, path in kept.items()}
    paths = sorted({*rounds, run.checkpoint.path}, key=lambda path: path.stem)
    return {path: rounds.get(path) for path in paths}


def checkpoints(
    run: Run, files: Mapping[pathlib.Path, int | None]
) -> Iterator[tuple[int | None, Checkpoint]]:
    """Reads checkpoints one by one, as two may not fit into memory.

    It skips damaged checkpoints and prints a line about each.

    Args:
        run: The run that the checkpoints belong to.
        files: The result of `checkpoint_files`.

    Yields:
        (the round at whose end the checkpoint was written, or None; the
        checkpoint).
    """
    for path, number in files.items():
        if path == run.checkpoint.path:
            yield number, run.checkpoint
            continue
        try:
            checkpoint = Checkpoint(path)
        except InputError:
            raise
        except DAMAGE as error:
            print(f"{path} is damaged ({why(error)}); its round is left out.")
        else:
            yield number, checkpoint


def look(
    cam: GradCam,
    encoder: keras.Model,
    number: int | None,
    checkpoint: Checkpoint,
    views: np.ndarray,
    numbers: np.ndarray,
    progress: Counted,
) -> Moment:
    """Computes maps with a checkpoint's encoder and memory bank.

    Args:
        cam: The Grad-CAM of the encoder.
        encoder: The encoder, which gets the checkpoint's weights.
        number: The round at whose end the checkpoint was written, or None.
        checkpoint: A checkpoint of the run.
        views: uint8 [m, S, S, 3], the clean views of the images.
        numbers: int64 [m], the rows of the images in the memory bank.
        progress: The progress bar, advanced by the images of each batch.

    Raises:
        InputError: If the checkpoint has no memory bank, or belongs to
            another model.
    """
    if not checkpoint.has("method"):
        raise InputError(
            "Expected checkpoints with their memory bank for "
            "--protocols=attention, which compares each image with its own "
            f"row. Received: {checkpoint.path}, which was written without it."
        )
    checkpoint.restore("encoder", encoder.variables)
    rows = checkpoint.array("method", "rows")[numbers]  # [m, D]
    parts = []
    for start in range(0, len(numbers), BATCH):
        batch = slice(start, start + BATCH)
        parts.append(cam(views[batch], rows[batch]))
        progress.advance(len(parts[-1][1]))
    maps, similarities = map(np.concatenate, zip(*parts))
    return Moment(
        number, checkpoint.epochs, checkpoint.step, maps, similarities
    )


def describe(
    moment: Moment, measured: np.ndarray, image_size: int
) -> dict[str, Any]:
    """Computes a moment's figures, which are means over images.

    Args:
        moment: The maps and similarities of m images.
        measured: int64 [n], the indices of the images to average over.
        image_size: The side S, in pixels, that maps are enlarged to.
    """
    maps = moment.maps[measured]
    some = maps[maps.any((1, 2))]  # Leaves out maps that are 0 everywhere.
    centre = None
    if maps.shape[1] >= SMALLEST:
        large = grad_cam.enlarge(some, image_size)
        centre = mean_or_none(grad_cam.centre_share(large))
    similarities = moment.similarities[measured].astype(np.float64)
    return {
        "round": moment.round,
        "epochs": moment.epochs,
        "step": moment.step,
        "similarity": float(similarities.mean()),
        "centre_share": centre,
        "entropy": mean_or_none(grad_cam.normalised_entropy(some)),
        "empty_maps": len(maps) - len(some),
    }
