"""Holds what the parts of one fine-tuning share, and its directory."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from and_tf.data.split import Split
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation import calibration
from and_tf.evaluation.embeddings import embed
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.labelling import Labelled
from and_tf.finetuning.model import FineTuner
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.run import Run
from and_tf.training.run_directory import OutputDirectory

COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "learning_rate",
    "images_per_second",
    "seconds",
    "held_out_loss",
    "held_out_top1",
)
SCRATCH = "scratch"  # The directory of the training from scratch.


class FinetuneDirectory(OutputDirectory[FinetuneConfig]):
    """The directory of a fine-tuning, with some files of its own.

    Args:
        path: The directory, which need not exist.

    Attributes:
        head: The linear head that fine-tuning begins with.
        classifier: The Keras file of the fine-tuned classifier.
        confusion: The picture of its confusion table.
    """

    config_class = FinetuneConfig
    columns = COLUMNS
    flag = "--output_dir"
    command = "python -m and_tf.finetune --run_dir=…"

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(path)
        self.head = path / "linear_head.npz"
        self.classifier = path / "classifier.keras"
        self.confusion = path / "confusion.png"

    def read_result(self) -> dict[str, Any] | None:
        """Reads result.json; returns None if the fine-tuning is not finished.

        Older files have under "pretrained" what is under "run" now.
        """
        result = super().read_result()
        if result is None or "run" in result:
            return result
        told = result.get("pretrained") or {}
        seen = str(told.get("labels_seen"))
        before, found, _ = seen.partition(", before the run")
        begun = {"source": str(told.get("run_dir")), "labels": before}
        return {**result, "pretrained": begun if found else None, "run": told}

    @property
    def scratch(self) -> FinetuneDirectory:
        """The directory of the training from scratch, within this one."""
        return FinetuneDirectory(self.path / SCRATCH)


@dataclasses.dataclass(frozen=True)
class Finetuning:
    """A training of encoder and classifier in progress.

    Attributes:
        config: The config of the fine-tuning.
        directory: The directory that this training writes to.
        source: The run that it starts from, with its images.
        labelled: The images to learn from, to choose by, and to test on.
        model: The model that is trained.
        board: The TensorBoard writer.
        metadata: The metadata that checkpoints hold beside arrays.
        processes: The process group, of one process.
    """

    config: FinetuneConfig
    directory: FinetuneDirectory
    source: Run
    labelled: Labelled
    model: FineTuner
    board: TensorBoardWriter
    metadata: dict[str, Any]
    processes: ProcessGroup

    @property
    def batch_size(self) -> int:
        """The number of images in a step."""
        return min(self.config.batch_size, self.labelled.learn.size)

    def features(self, split: Split) -> np.ndarray:
        """Computes the features of a split's clean views, float32 [n, F]."""
        return embed(self.model, split, self.source.image_size)

    def logits(self, split: Split) -> np.ndarray:
        """Computes the logits of a split's clean views, float32 [n, C]."""
        return self.model.logits(self.features(split))


class HeldOut(keras.callbacks.Callback):
    """A callback that adds the figures of the held-out images to the logs.

    They are `held_out_loss`, the cross-entropy, and `held_out_top1`.

    Args:
        training: The training.
    """

    def __init__(self, training: Finetuning) -> None:
        super().__init__()
        self._training = training

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the figures."""
        if logs is None:
            return
        split = self._training.labelled.held_out
        logits = self._training.logits(split)
        logs["held_out_loss"] = calibration.cross_entropy(logits, split.labels)
        logs["held_out_top1"] = float((logits.argmax(1) == split.labels).mean())


class EndWithoutGain(keras.callbacks.Callback):
    """A callback that ends a training after epochs without a better figure.

    It looks at the history alone, so that a resumed training ends after the
    same epoch.

    Args:
        history: The logs of all epochs so far. A callback before this one
            must extend it at the end of each epoch.
        patience: The number of epochs, see `is_over`.
    """

    def __init__(self, history: Sequence[Mapping], patience: int) -> None:
        super().__init__()
        self._history, self._patience = history, patience

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Ends the training after this epoch if it gains nothing more."""
        if is_over(self._history, self._patience):
            self.model.stop_training = True


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """Returns after how many epochs the held-out images were told best.

    That is the first epoch with the highest accuracy and, among these, the
    lowest cross-entropy; 0 without an epoch.
    """
    best = max(
        history,
        key=lambda row: (row["held_out_top1"], -row["held_out_loss"]),
        default=None,
    )
    return best["epoch"] + 1 if best else 0


def is_over(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Returns whether the best epoch is `patience` or more epochs ago.

    Args:
        history: The logs of each epoch.
        patience: The number of epochs; with 0, it is never over.
    """
    return bool(patience) and len(history) - best_epoch(history) >= patience
