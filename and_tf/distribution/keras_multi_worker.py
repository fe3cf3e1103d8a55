"""Makes Keras' `predict` work under a strategy of several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup


class MultiWorkerModel(keras.Model):
    """A model that can predict under a strategy of several processes.

    It has to be built when it is made. `fit_loop` trains it with several
    processes; in all else it is a `keras.Model`.
    """

    predict_function: Any  # Keras' own, which it makes when it needs it.

    def make_predict_function(self, force: bool = False) -> None:
        """Makes the function that predicts the inputs of this process.

        Keras' own function would gather the predictions of all processes.
        """
        strategy = self.distribute_strategy
        if not ProcessGroup(strategy).several:
            super().make_predict_function(force)
        elif self.predict_function is None or force:
            self.predict_function = _prediction(strategy, self.predict_step)


class Predictor(MultiWorkerModel):
    """A wrapper with which any model can predict with several processes.

    Args:
        model: A built model, made under the same strategy.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._model = model

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Calls the wrapped model."""
        return self._model(inputs, training=training)


def _prediction(
    strategy: tf.distribute.Strategy,
    predict_step: Callable[[Any], tf.Tensor],
) -> Callable[[list], tf.Tensor]:
    """Makes a function that concatenates this process' predictions."""

    @tf.function(autograph=False, reduce_retracing=True)
    def predict(data: list) -> tf.Tensor:
        found = strategy.run(predict_step, args=(data[0],))
        return tf.concat(strategy.experimental_local_results(found), axis=0)

    return predict
