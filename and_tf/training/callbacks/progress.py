"""Prints a line of metrics for each epoch and, on a terminal, a bar in it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO

import keras

from and_tf.utils.averages import percent
from and_tf.utils.progress import (
    REFRESH,
    TransientLine,
    duration,
    line_with_bar,
)


class Progress(keras.callbacks.Callback):
    """A callback that prints a line for each epoch, and draws a bar in it.

    It has to come last, and `fit` needs `verbose=0`. It shows these entries of
    an epoch's logs, as far as Keras and the callbacks before it set them:
    `loss`, `and_loss`, `teacher_loss`, `cosine`, `round`, `learning_rate`,
    `images_per_second`, `accuracy`, `knn_bank`, `knn_clean` (fractions) and,
    where a round begins, `anchors` and `consistency`; for a clustering also
    `validation_loss`, `clusters_used`, `acc`, `confident`, `confident_acc` and
    `skipped`; for a fine-tuning `held_out_top1`:

        epoch 12/50  round 1/4  loss 5.312  lr 0.030  ...  ETA 12:33

    The ETA is computed from the mean time of this process' epochs, with the
    time that other callbacks take.

    Args:
        epochs: The number of the last epoch, counted from 1.
        steps_per_epoch: The number of steps in an epoch; None or 0 if it is
            unknown.
        rounds: The number of rounds R.
        first_epoch: The number of epochs that an earlier process finished.
        stream: The stream to print to; None is standard output. The bar is
            drawn only if this is a terminal.
        clock: Returns the time in seconds from any fixed moment.
        first_step: The number of steps of the first epoch that an earlier
            process did.
    """

    def __init__(
        self,
        epochs: int,
        steps_per_epoch: int | None,
        rounds: int,
        first_epoch: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self._epochs = epochs
        self._steps = steps_per_epoch or 0
        self._rounds = rounds
        self._first_step = first_step
        self._first = first_epoch + first_step / (steps_per_epoch or 1)
        self._stream = stream or sys.stdout
        self._clock = clock
        self._bar = TransientLine(self._stream)
        self._lock = threading.Lock()
        self._began = self._drawn = clock()
        self._epoch = first_epoch
        self._round: float | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Starts the clock."""
        self._began = self._drawn = self._clock()

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Notes the number of the epoch."""
        self._epoch = epoch

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Redraws the bar, unless it was drawn a moment ago."""
        with self._lock:
            now = self._clock()
            if self._bar.possible and now - self._drawn >= REFRESH:
                self._drawn = now
                done = self._first_step + batch + 1
                self._bar.show(self._bar_text(done, logs or {}))

    def on_epoch_end(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Replaces the bar by the epoch's line."""
        logs = logs or {}
        fields = [self._place(epoch), *describe(logs, self._rounds)]
        fields.append(f"ETA {self._eta(epoch + 1)}")
        fields += _measured(logs, anchors=logs.get("round") != self._round)
        self._round = logs.get("round")
        self._first_step = 0
        self._bar.clear()
        print("  ".join(fields), file=self._stream, flush=True)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Clears the bar."""
        self._bar.clear()

    def _place(self, epoch: int) -> str:
        return f"epoch {epoch + 1:>{len(str(self._epochs))}}/{self._epochs}"

    def _eta(self, finished: float) -> str:
        """Returns the time left after `finished` epochs, maybe a fraction."""
        here = finished - self._first
        if here <= 0:
            return "?"
        elapsed = self._clock() - self._began
        return duration(elapsed / here * max(0, self._epochs - finished))

    def _bar_text(self, done: int, logs: Mapping[str, float]) -> str:
        left = self._place(self._epoch)
        right = f"  loss {logs['loss']:.3f}" if "loss" in logs else ""
        share = done / self._steps if self._steps else 0
        right += f"  ETA {self._eta(self._epoch + min(share, 1))}"
        if not self._steps:
            return f"{left}  step {done}{right}"
        right = f" {done:>{len(str(self._steps))}}/{self._steps}{right}"
        return line_with_bar(left, share, right)


def describe(logs: Mapping[str, float], rounds: int) -> list[str]:
    """Returns the columns that each epoch's line shows of its logs."""
    fields = []
    if "round" in logs:
        number = int(logs["round"])
        name = f"round {number}/{rounds}" if number else "instance"
        fields.append(name.ljust(len(f"round {rounds}/{rounds}")))
    if "loss" in logs:
        fields.append(f"loss {logs['loss']:6.3f}")
    for key, name in (("and_loss", "AND"), ("teacher_loss", "teacher")):
        if key in logs:
            fields.append(f"{name} {logs[key]:6.3f}")
    if "accuracy" in logs:
        fields.append(f"accuracy {percent(logs['accuracy']):>7}")
    if "cosine" in logs:
        fields.append(f"cosine {logs['cosine']:6.3f}")
    if "learning_rate" in logs:
        fields.append(f"lr {logs['learning_rate']:<#7.2g}")
    if "images_per_second" in logs:
        fields.append(f"{logs['images_per_second']:>6,.0f} images/s")
    return fields


def _measured(logs: Mapping[str, float], anchors: bool) -> list[str]:
    """Returns the fields that only some epochs' lines show, at their ends."""
    fields = []
    if "clusters_used" in logs:
        fields.append(
            f"validation {logs['validation_loss']:.3f}  "
            f"{logs['clusters_used']} clusters"
        )
    if "acc" in logs:
        fields.append(f"ACC {percent(logs['acc'])}")
    if "held_out_top1" in logs:
        fields.append(f"held-out {percent(logs['held_out_top1'])}")
    if "confident" in logs:
        fields.append(_confident(logs))
    for gallery in ("bank", "clean"):
        if f"knn_{gallery}" in logs:
            fields.append(f"kNN {gallery} {percent(logs[f'knn_{gallery}'])}")
    if anchors and logs.get("anchors"):
        field = f"{logs['anchors']:,.0f} anchors"
        if "consistency" in logs:
            field += f" ({percent(logs['consistency'])} consistent)"
        fields.append(field)
    return fields


def _confident(logs: Mapping[str, float]) -> str:
    """Describes how many images of a self-labelling epoch were confident."""
    field = f"{percent(logs['confident'])} confident"
    if "confident_acc" in logs:
        field += f" ({percent(logs['confident_acc'])} right)"
    if logs.get("skipped"):
        field += f"  {percent(logs['skipped'], 0)} of steps skipped"
    return field
