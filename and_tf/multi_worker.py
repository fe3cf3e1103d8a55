"""`fit` of Keras 3.15 under a strategy of several processes, made to work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from keras.src.trainers.data_adapters.tf_dataset_adapter import TFDatasetAdapter

from and_tf.team import Team, part


class MultiWorkerModel(keras.Model):
    """A model that is built when it is made, and can be fit by processes.

    Where the strategy spans processes, its `train_step` has to return values
    that are the same on all replicas. Elsewhere it is a `keras.Model`.
    """

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Builds nothing: the model is built.

        Keras would reduce a first batch over all processes, as if images
        were numbers to be averaged, and takes one replica's for all.
        """
        if not Team(self.distribute_strategy).several:
            super()._maybe_symbolic_build(*args, **kwargs)

    def make_train_function(self, force: bool = False) -> None:
        """Makes the function that takes one step from an iterator.

        Keras' own would take the mean of each metric over its axis 0, which
        a scalar has not, once more over all processes.
        """
        strategy = self.distribute_strategy
        if not Team(strategy).several:
            super().make_train_function(force)
        elif self.train_function is None or force:
            self.train_function = _step(strategy, self.train_step)

    def make_predict_function(self, force: bool = False) -> None:
        """Makes the function that predicts what this process has.

        Keras' own would gather the predictions of all processes.
        """
        strategy = self.distribute_strategy
        if not Team(strategy).several:
            super().make_predict_function(force)
        elif self.predict_function is None or force:
            self.predict_function = _prediction(strategy, self.predict_step)


class Predictor(MultiWorkerModel):
    """Any model, to predict with by processes.

    Args:
        model: Made under the same strategy, and built.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._model = model

    def call(self, inputs: Any, training: bool = False) -> Any:
        """What the model says."""
        return self._model(inputs, training=training)


def _step(
    strategy: tf.distribute.Strategy,
    train_step: Callable[[Any], dict[str, tf.Tensor]],
) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """A step on all replicas, and what the first one here says of it."""

    @tf.function(autograph=False, reduce_retracing=True)
    def step(iterator: Iterator) -> dict[str, tf.Tensor]:
        values = strategy.run(train_step, args=(next(iterator),))
        return {
            name: strategy.experimental_local_results(value)[0]
            for name, value in values.items()
        }

    return step


def _prediction(
    strategy: tf.distribute.Strategy,
    predict_step: Callable[[Any], tf.Tensor],
) -> Callable[[list], tf.Tensor]:
    """Predictions on this process' devices, one after another."""

    @tf.function(autograph=False, reduce_retracing=True)
    def predict(data: list) -> tf.Tensor:
        found = strategy.run(predict_step, args=(data[0],))
        return tf.concat(strategy.experimental_local_results(found), axis=0)

    return predict


def fit_data(dataset: tf.data.Dataset, team: Team) -> Any:
    """What `fit` takes as its data.

    Args:
        dataset: Batches: of a team of one process those of all its devices,
            of several this process' part of them.
        team: Of the model's strategy.
    """
    if team.alone and not team.several:
        return dataset
    # TensorFlow's own way to split a batch may leave a device without any
    # image of a last one, where batch normalisation has no statistics.
    local = _split(dataset, len(team.devices))
    if team.several:
        # Endless, so that no step has to ask the other processes whether they
        # have any data left; `fit` knows the number of steps.
        local = local.repeat()
    spread = team.strategy.distribute_datasets_from_function(lambda _: local)
    # Keras knows a distributed data set by the name of another class.
    return TFDatasetAdapter(spread)


def _split(dataset: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Each batch as `count` batches, one for each device."""
    if count == 1:
        return dataset

    def parts(*batch: Any) -> tf.data.Dataset:
        size = tf.shape(tf.nest.flatten(batch)[0])[0]

        def of(i: tf.Tensor) -> Any:
            start, stop = part(size, i, count)
            return tf.nest.map_structure(lambda a: a[start:stop], batch)

        return tf.data.Dataset.range(count, output_type=tf.int32).map(of)

    return dataset.flat_map(parts)
