"""Plans rounds, and the learning rate that starts anew in each of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import tensorflow as tf

from and_tf.utils.errors import InputError

SCHEDULES = ("step", "cosine", "constant")


@dataclasses.dataclass(frozen=True)
class Rounds:
    """The plan of when rounds begin and end, in epochs.

    Round 0 is instance learning; rounds 1 to `rounds` begin with discovery.

    Attributes:
        rounds: R, the number of rounds; 0 does instance learning only.
        epochs_per_round: The length of rounds 1 to R, in epochs.
        initial_epochs: The length of round 0, in epochs; 0 starts round 1
            from a random encoder.
    """

    rounds: int = 4
    epochs_per_round: int = 200
    initial_epochs: int = 200

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.initial_epochs < 0:
            raise InputError(
                f"Expected 0 or more rounds and initial epochs. Received: "
                f"{self.rounds} and {self.initial_epochs}."
            )
        if self.rounds and self.epochs_per_round < 1:
            raise InputError(
                f"Expected 1 or more epochs a round. Received: "
                f"{self.epochs_per_round}."
            )

    @property
    def epochs(self) -> int:
        """The number of epochs of all rounds together."""
        return self.initial_epochs + self.rounds * self.epochs_per_round

    def of_epoch(self, epoch: int) -> int:
        """Returns the round of an epoch; epochs are counted from 0."""
        if epoch < self.initial_epochs or not self.rounds:
            return 0
        past = (epoch - self.initial_epochs) // self.epochs_per_round
        return min(1 + past, self.rounds)

    def first_epoch(self, round_number: int) -> int:
        """Returns a round's first epoch; epochs are counted from 0."""
        if round_number == 0:
            return 0
        return self.initial_epochs + (round_number - 1) * self.epochs_per_round

    @property
    def ends(self) -> dict[int, int]:
        """The number of epochs done at the end of each round, by round.

        Round 0 is left out if it has no epochs.
        """
        initial, later = self.initial_epochs, self.epochs_per_round
        ends = {r: initial + r * later for r in range(self.rounds + 1)}
        return {r: epochs for r, epochs in ends.items() if epochs}


@keras.saving.register_keras_serializable(package="and_tf")
class RoundSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate as a function of the optimiser's step alone.

    It needs no state of its own, so a resumed run has the right rate.

    "step": The rate is multiplied by 0.1 after 2/5 of a round and again after
        every further 1/5. In rounds of 200 epochs, as in the paper, that is
        at epoch 80 and every 40 epochs after it.
    "cosine": The rate falls as half a cosine to 0 in each round.
    "constant": The rate stays at `peak`.

    Args:
        peak: The peak learning rate of each round.
        schedule: One of `SCHEDULES`.
        steps_per_epoch: The number of optimiser steps per epoch.
        rounds, epochs_per_round, initial_epochs: See `Rounds`.
        warmup_epochs: The number of epochs at the beginning of every round
            in which the rate rises linearly; 0 is no warm-up.
    """

    def __init__(
        self,
        peak: float,
        schedule: str,
        steps_per_epoch: int,
        rounds: int,
        epochs_per_round: int,
        initial_epochs: int,
        warmup_epochs: float = 0.0,
    ) -> None:
        if schedule not in SCHEDULES:
            raise InputError(
                f"Expected a learning rate schedule among "
                f"{', '.join(SCHEDULES)}. Received: {schedule!r}."
            )
        self._config: dict[str, Any] = {
            "peak": peak,
            "schedule": schedule,
            "steps_per_epoch": steps_per_epoch,
            "rounds": rounds,
            "epochs_per_round": epochs_per_round,
            "initial_epochs": initial_epochs,
            "warmup_epochs": warmup_epochs,
        }

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate of a step; steps are counted from 0."""
        c = self._config
        per_epoch = c["steps_per_epoch"]
        first = c["initial_epochs"] * per_epoch  # Steps of round 0.
        later = max(c["epochs_per_round"] * per_epoch, 1)  # Of other rounds.
        # Steps are integers, because in float32 epoch 80 of 200 may come
        # before 2/5. Nothing is divided, because a GPU has no integer division
        # and outside XLA every step would wait for the host to do it.
        step = tf.cast(step, tf.int64)
        starts = [first + r * later for r in range(c["rounds"])]
        begun = _count(step, starts)
        within = step - tf.where(begun > 0, first + (begun - 1) * later, 0)
        length = tf.where(begun > 0, tf.constant(later, tf.int64), first)
        rate = c["peak"] * self._factor(within, length)
        if c["warmup_epochs"]:
            # The half step avoids a rate of 0 in the first step.
            risen = tf.cast(within, tf.float32) + 0.5
            rate *= tf.minimum(1.0, risen / (c["warmup_epochs"] * per_epoch))
        return rate

    def _factor(self, within: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        """Returns the factor of the peak at step `within` of a round.

        Args:
            within: int64 [], the step, counted from the round's beginning.
            length: int64 [], the number of steps of the round.
        """
        schedule = self._config["schedule"]
        if schedule == "step":
            drops = _count(5 * within, [fifth * length for fifth in (2, 3, 4)])
            return tf.pow(0.1, tf.cast(drops, tf.float32))
        progress = tf.cast(within / length, tf.float32)
        if schedule == "cosine":
            return 0.5 + 0.5 * tf.cos(math.pi * progress)
        return tf.ones_like(progress)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return dict(self._config)


def _count(value: tf.Tensor, bounds: list[int | tf.Tensor]) -> tf.Tensor:
    """Counts the bounds that a value has reached, int64 []."""
    reached = [tf.cast(value >= bound, tf.int64) for bound in bounds]
    return tf.add_n([tf.zeros([], tf.int64), *reached])
