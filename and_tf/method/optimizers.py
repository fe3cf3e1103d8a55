"""Provides optimisers with torch's weight decay, and rates per variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class RateFactors:
    """A mixin for optimisers: a factor of the rate for each variable.

    A class that mixes it in sets `rate_factors`, and takes `rate_of` in its
    `update_step`.

    Attributes:
        rate_factors: A factor for each variable, in the order of `build`;
            empty takes 1 for all. Paths would not tell variables apart: a
            model inside another may have layers of the same names.
    """

    rate_factors: list[float]

    def build(self, variables: list[keras.Variable]) -> None:
        """Creates the optimiser's variables.

        Raises:
            ValueError: If there are factors for another number of variables.
        """
        super().build(variables)  # type: ignore[misc]
        if self.rate_factors and len(self.rate_factors) != len(variables):
            raise ValueError(
                f"Expected rate_factors for {len(variables)} variables. "
                f"Received: {len(self.rate_factors)}."
            )

    def rate_of(
        self, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> tf.Tensor:
        """Returns the learning rate of one variable."""
        if not self.rate_factors:
            return learning_rate
        place = self._get_variable_index(variable)  # type: ignore[attr-defined]
        return self.rate_factors[place] * learning_rate

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        config = super().get_config()  # type: ignore[misc]
        return {**config, "rate_factors": self.rate_factors or None}


@keras.saving.register_keras_serializable(package="and_tf")
class CoupledSGD(RateFactors, keras.optimizers.SGD):
    """SGD with the momentum and the weight decay of `torch.optim.SGD`.

    v ← μv + (g + λw);  w ← w − α(g + λw + μv), or w ← w − αv without Nesterov.

    The authors of AND and of instance discrimination trained with it. It
    differs from `keras.optimizers.SGD` in two ways. The decay λ enters the
    gradient, and so the momentum, of every variable; Keras decays weights
    separately. The learning rate α multiplies after the momentum, so that a
    drop of α acts at once; Keras keeps steps of the old size in v.

    Args:
        learning_rate: α, a number or a schedule.
        momentum: μ, the momentum.
        nesterov: Whether to use Nesterov momentum.
        weight_decay: λ, the weight decay.
        rate_factors: A factor of α for each variable, see `RateFactors`.
        name: The name of the optimiser.
        **kwargs: Further arguments of `keras.optimizers.SGD`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 5e-4,
        rate_factors: Sequence[float] | None = None,
        name: str = "coupled_sgd",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate, momentum, nesterov=nesterov, name=name, **kwargs
        )
        self.coupled_decay = weight_decay
        self.rate_factors = list(rate_factors or ())

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Updates one variable in place."""
        learning_rate = self.rate_of(variable, learning_rate)
        gradient = gradient + self.coupled_decay * tf.convert_to_tensor(
            variable
        )
        step = gradient
        if self.momentum:
            velocity = self.momentums[self._get_variable_index(variable)]
            moved = self.momentum * velocity + gradient
            self.assign(velocity, moved)
            step = gradient + self.momentum * moved if self.nesterov else moved
        self.assign_sub(variable, tf.cast(learning_rate, step.dtype) * step)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["weight_decay"] = self.coupled_decay
        return config


@keras.saving.register_keras_serializable(package="and_tf")
class FactoredAdamW(RateFactors, keras.optimizers.AdamW):
    """Keras' AdamW with a factor of the learning rate for each variable.

    The factors leave the weight decay, which Keras multiplies by the learning
    rate, as it is.

    Args:
        learning_rate: α, a number or a schedule.
        rate_factors: A factor of α for each variable, see `RateFactors`.
        name: The name of the optimiser.
        **kwargs: Further arguments of `keras.optimizers.AdamW`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        rate_factors: Sequence[float] | None = None,
        name: str = "factored_adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        self.rate_factors = list(rate_factors or ())

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Updates one variable in place."""
        rate = self.rate_of(variable, learning_rate)
        super().update_step(gradient, variable, rate)


@keras.saving.register_keras_serializable(package="and_tf")
class CoupledAdam(keras.optimizers.Adam):
    """Adam with the weight decay of `torch.optim.Adam`, as in SCAN's code.

    The decay λ enters the gradient of every variable, g + λw, and so both
    moments; Keras' Adam and AdamW decay weights separately.

    Args:
        learning_rate: α, a number or a schedule.
        weight_decay: λ, the weight decay.
        epsilon: The constant that keeps the division stable.
        name: The name of the optimiser.
        **kwargs: Further arguments of `keras.optimizers.Adam`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float = 1e-4,
        epsilon: float = 1e-8,
        name: str = "coupled_adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, epsilon=epsilon, name=name, **kwargs)
        self.coupled_decay = weight_decay

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Updates one variable in place."""
        decayed = gradient + self.coupled_decay * tf.convert_to_tensor(variable)
        super().update_step(decayed, variable, learning_rate)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["weight_decay"] = self.coupled_decay
        return config
