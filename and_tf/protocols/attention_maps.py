"""A run's images through Grad-CAM, at one of its checkpoints after another."""

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
from and_tf.training.trained import Trained
from and_tf.utils.archives import DAMAGE, why
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

BATCH = 32
# Of a side; what has fewer places has none that is more in the centre.
SMALLEST = 3


@dataclasses.dataclass(frozen=True)
class Moment:
    """What was found in one checkpoint.

    Attributes:
        round: Whose end it is of; None of another checkpoint.
        epochs: That were finished,
        step: and steps done of the next.
        maps: float32 [m, h, w], of all images.
        similarities: float32 [m], of embeddings with their own rows.
    """

    round: int | None
    epochs: int
    step: int
    maps: np.ndarray
    similarities: np.ndarray

    @property
    def name(self) -> str:
        """As the picture and the table have it."""
        if self.round is not None:
            return f"round {self.round}" if self.round else "instance"
        within = f", step {self.step}" if self.step else ""
        return f"epoch {self.epochs}{within}"


def checkpoint_files(run: Trained) -> dict[pathlib.Path, int | None]:
    """The run's own checkpoint and those of its rounds, oldest first.

    Returns:
        By file, the round whose end it is of, or None.
    """
    kept = run.directory.checkpoints.of_rounds(rounds_of(run.config))
    rounds = {path: number for number, path in kept.items()}
    paths = sorted({*rounds, run.checkpoint.path}, key=lambda path: path.stem)
    return {path: rounds.get(path) for path in paths}


def checkpoints(
    run: Trained, files: Mapping[pathlib.Path, int | None]
) -> Iterator[tuple[int | None, Checkpoint]]:
    """Reads them one by one, as each may be as large as the memory allows.

    Those that are damaged are left out, with a line that says so.

    Args:
        run: Whose they are.
        files: See `checkpoint_files`.

    Yields:
        (the round whose end it is of, or None; the checkpoint).
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
    """Maps of images with a checkpoint's encoder and memory bank.

    Args:
        cam: Of the encoder.
        encoder: Is given the checkpoint's weights.
        number: The round whose end the checkpoint is of, or None.
        checkpoint: The run's.
        views: uint8 [m, S, S, 3].
        numbers: int64 [m], the images' rows in the bank.
        progress: Of images.

    Raises:
        InputError: If the checkpoint has no bank, or is of another model.
    """
    if not checkpoint.has("method"):
        raise InputError(
            "Expected checkpoints with their memory bank for "
            "--protocols=attention, which compares each image with its own "
            f"row. Received: {checkpoint.path}, which was written without it."
        )
    checkpoint.restore("encoder", encoder.variables)
    rows = checkpoint.arrays("method")[0][numbers]  # [m, D]
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
    """A moment's figures, means over images.

    Args:
        moment: Of m images.
        measured: int64 [n], places of those that count among the m.
        image_size: S, the side that maps are enlarged to.
    """
    maps = moment.maps[measured]
    some = maps[maps.any((1, 2))]  # Not 0 throughout.
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
