"""Makes every model that trains an encoder usable through Keras' own methods.

These are `compile`, `fit`, `evaluate`, `export`, `save` and `load_model` with
Keras' arguments, and an error message where one is not possible. `fit_loop`
uses none of them, so the checks here cost it nothing.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from and_tf.distribution.keras_multi_worker import MultiWorkerModel
from and_tf.method.encoder_shapes import EncoderShapes
from and_tf.method.samples import SampleCounts, images_and_numbers, watched
from and_tf.utils.errors import InputError

_NOT_COMPILED_WITH = ("loss", "loss_weights", "metrics", "weighted_metrics")


class KerasInterface(MultiWorkerModel):
    """The part of a `Pretext` that Keras' own training and files use.

    A subclass sets the attributes below, and calls `samples` on the data at
    the beginning of its steps.

    Attributes:
        encoder, view_encoder, augmenter, num_examples: See `Pretext`.
        shapes: The shapes of the encoder's images and embeddings.
    """

    encoder: keras.layers.Layer
    view_encoder: keras.layers.Layer
    augmenter: keras.layers.Layer | None
    num_examples: int
    shapes: EncoderShapes
    # Keras' own, which it makes when it first needs them.
    train_function: Any
    test_function: Any

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        # Counts of the steps that Keras runs; None if `fit_loop` trains.
        self._trained_on: SampleCounts | None = None
        self._tested_on: SampleCounts | None = None

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "rmsprop",
        loss: Any = None,
        **options: Any,
    ) -> None:
        """Sets the optimiser, and how steps are executed.

        Args:
            optimizer: The optimiser, as `keras.Model.compile` takes it.
            loss: Must be None, because the model has its own loss.
            **options: Further arguments of `keras.Model.compile`, except
                those for losses and metrics.

        Raises:
            InputError: If a loss or metrics are given.
        """
        for name in _NOT_COMPILED_WITH:
            value = loss if name == "loss" else options.get(name)
            if value:
                raise InputError(
                    f"Expected no {name} in compile(): {self.name} has a loss "
                    "of its own, and its data set has sample numbers in the "
                    f"place of targets. Received: {name}={value!r}. To follow "
                    "a figure of the embeddings, compute it in a callback."
                )
        super().compile(optimizer, **options)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the arguments of `compile`, for `compile_from_config`."""
        config = dict(super().get_compile_config())
        for name in _NOT_COMPILED_WITH:
            config.pop(name, None)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model and builds its optimiser.

        Args:
            config: The result of `get_compile_config`; empty if the saved
                model was not compiled.
        """
        if config:
            self.compile(**keras.saving.deserialize_keras_object(config))
            self.optimizer.build(self.trainable_variables)

    def samples(
        self, data: Any, training: bool = True
    ) -> tuple[Any, tf.Tensor]:
        """Splits the batch of a step into images and sample_ids.

        Args:
            data: The batch from the data set.
            training: Whether this is a training step.

        Returns:
            The images and the sample_ids, integer [b].

        Raises:
            InputError: If the batch is not (images, sample_ids).
        """
        free_form = training and self.augmenter is not None
        images, sample_ids = images_and_numbers(data, free_form)
        counts = self._trained_on if training else self._tested_on
        return images, sample_ids if counts is None else counts.count(
            sample_ids
        )

    def make_train_function(self, force: bool = False) -> None:
        """Makes the function with which Keras' `fit` runs training steps.

        Raises:
            InputError: If the encoder has no trainable weights.
        """
        if not self.trainable_variables:
            raise InputError(
                "Expected an encoder with weights to train. Received: "
                f"{self.encoder.name!r}, which is frozen or has none. Set "
                "encoder.trainable = True before compile()."
            )
        if self.train_function is not None and not force:
            return
        self._trained_on = SampleCounts(
            self.num_examples, self.distribute_strategy, distinct=True
        )
        super().make_train_function(force)
        self.train_function = watched(self.train_function, self._trained_on)

    def make_test_function(self, force: bool = False) -> None:
        """Makes the function with which Keras' `evaluate` runs test steps."""
        if self.test_function is not None and not force:
            return
        self._tested_on = SampleCounts(
            self.num_examples, self.distribute_strategy, distinct=False
        )
        super().make_test_function(force)
        self.test_function = watched(self.test_function, self._tested_on)

    def reset_metrics(self) -> None:
        """Resets metrics and sample counts at the beginning of an epoch."""
        super().reset_metrics()
        for counts in (self._trained_on, self._tested_on):
            if counts is not None:
                counts.restart()

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains on (images, sample_ids).

        Arguments and result are those of `keras.Model.fit`.
        """
        history = super().fit(*args, **kwargs)
        assert self._trained_on is not None  # Made with the function.
        self._trained_on.check()
        return history

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the loss of (images, sample_ids) without training.

        Arguments and result are those of `keras.Model.evaluate`.
        """
        result = super().evaluate(*args, **kwargs)
        assert self._tested_on is not None  # Made with the function.
        self._tested_on.check()
        return result

    def export(
        self,
        filepath: str,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **options: Any,
    ) -> None:
        """Writes a model from images to unit-norm embeddings.

        Arguments are those of `keras.Model.export`; the signature is that of
        the encoder if none is given.
        """
        if input_signature is None:
            input_signature = [self.shapes.input_spec]
        super().export(filepath, format, verbose, input_signature, **options)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; a subclass adds its own.

        The config also has two entries that are not arguments: the side of
        the views in pixels, if `view_encoder` is not `encoder`, and the dtype
        policy.
        """
        views = None
        if self.view_encoder is not self.encoder:
            views = self.view_encoder.input_shape[1]
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "augmenter": keras.saving.serialize_keras_object(self.augmenter),
            "view_size": views,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict | None = None
    ) -> KerasInterface:
        """Makes a model from the result of `get_config`.

        Args:
            config: The serialised arguments.
            custom_objects: The user's own classes, by name.
        """
        _register(config)

        def take(name: str) -> Any:
            return keras.saving.deserialize_keras_object(
                config.pop(name, None), custom_objects=custom_objects
            )

        config = dict(config)
        encoder, augmenter = take("encoder"), take("augmenter")
        views, policy = config.pop("view_size", None), take("dtype")
        make: Any = cls  # A subclass, whose arguments the config has.
        model = make(encoder=encoder, augmenter=augmenter, **config)
        if views is not None:
            from and_tf.encoders import for_views

            model.view_encoder = for_views(encoder, views)
        if policy is not None:
            model.dtype_policy = policy
        return model


def _register(config: dict[str, Any]) -> None:
    """Imports the modules whose classes a model file may contain.

    Keras finds a class only after its module has been imported. The imports
    are here and not at the top, so that a model made of the user's own parts
    does not need these modules.
    """
    from and_tf.method import optimizers, rounds  # noqa: F401

    if config.get("augmenter") is not None:
        from and_tf import augmentation  # noqa: F401
