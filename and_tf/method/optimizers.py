"""SGD as the authors of AND and of instance discrimination ran it."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="and_tf")
class CoupledSGD(keras.optimizers.SGD):
    """SGD with the momentum and the weight decay of `torch.optim.SGD`.

    v ← μv + (g + λw);  w ← w − α(g + λw + μv), or w ← w − αv without Nesterov.

    Two things differ from `keras.optimizers.SGD`: the decay λ enters the
    gradient, and so the momentum, of every variable (Keras decays apart), and
    the learning rate α multiplies after the momentum, so that a drop of α
    acts at once (Keras carries steps of the old size on in v).

    Args:
        learning_rate: α, a number or a schedule.
        momentum: μ.
        nesterov: Whether to look ahead.
        weight_decay: λ.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 5e-4,
        name: str = "coupled_sgd",
        **kwargs,
    ) -> None:
        super().__init__(
            learning_rate, momentum, nesterov=nesterov, name=name, **kwargs
        )
        self.coupled_decay = weight_decay

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Updates one variable in place."""
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
        """The arguments that make it again."""
        config = super().get_config()
        config["weight_decay"] = self.coupled_decay
        return config


@keras.saving.register_keras_serializable(package="and_tf")
class CoupledAdam(keras.optimizers.Adam):
    """Adam with the weight decay of `torch.optim.Adam`, as SCAN's authors ran.

    The decay λ enters the gradient of every variable, g + λw, and so both
    moments; Keras' own and AdamW's decays apart from them.

    Args:
        learning_rate: α, a number or a schedule.
        weight_decay: λ.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float = 1e-4,
        epsilon: float = 1e-8,
        name: str = "coupled_adam",
        **kwargs,
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
        """The arguments that make it again."""
        config = super().get_config()
        config["weight_decay"] = self.coupled_decay
        return config
