"""Finds the images that an encoder takes, and the size of its embeddings."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class EncoderShapes:
    """The form of what goes into an encoder and of what comes out.

    Attributes:
        images: Shape of a batch of images, (None, S, S, 3) for most; None in
            the places of sizes that are free.
        dtype: Of these images.
        embedding_dim: D.
    """

    images: tuple[int | None, ...]
    dtype: str
    embedding_dim: int

    @property
    def input_spec(self) -> tf.TensorSpec:
        """Returns what a function that embeds images is called with."""
        return tf.TensorSpec(self.images, self.dtype)


def encoder_shapes(encoder: keras.layers.Layer) -> EncoderShapes:
    """Finds the shapes of an encoder of any kind.

    Functional and sequential models know their shapes. Of a subclassed model
    the shape of the images is that of its first call, and the shape of the
    embeddings is found by a symbolic call.

    Args:
        encoder: Any Keras model or layer from images to embeddings.

    Raises:
        InputError: If it is no Keras layer, is not built, does not say its
            shapes, or does not give one output [B, D].
    """
    if not isinstance(encoder, keras.layers.Layer):
        raise InputError(
            "Expected a Keras model or layer as the encoder. Received: "
            f"{type(encoder).__name__}."
        )
    if not encoder.built:
        raise InputError(
            "Expected a built encoder with outputs [B, D]; call it once on a "
            "batch of images if it has no fixed input. Received: an unbuilt "
            f"encoder, {encoder.name!r}."
        )
    images = _input_of(encoder)
    return EncoderShapes(
        images.shape, images.dtype, _embedding_dim(_output_of(encoder, images))
    )


def _input_of(encoder: keras.layers.Layer) -> keras.KerasTensor:
    """A symbolic batch of the images that the encoder takes."""
    inputs = getattr(encoder, "inputs", None)  # None of a subclassed model.
    if not inputs:
        shape = (encoder.get_build_config() or {}).get("input_shape")
        if not isinstance(shape, (tuple, list)) or len(shape) < 2:
            raise _unknown(encoder, "the shape of its input is not known")
        return keras.KerasTensor((None, *shape[1:]), "float32")
    if len(inputs) != 1:
        raise InputError(
            "Expected an encoder of one input, the images. Received: "
            f"{encoder.name!r} with {len(inputs)} inputs."
        )
    return keras.KerasTensor((None, *inputs[0].shape[1:]), inputs[0].dtype)


def _output_of(
    encoder: keras.layers.Layer, images: keras.KerasTensor
) -> object:
    """Returns what the encoder gives, as symbolic tensors in any structure."""
    try:
        return encoder.compute_output_spec(images)
    except Exception as error:  # Whatever the user's own `call` raises.
        reason = str(error).strip().partition("\n")[0]
        raise _unknown(
            encoder, f"a symbolic call ended in: {reason}"
        ) from error


def _embedding_dim(output: object) -> int:
    """D of an output [B, D]."""
    shape = getattr(output, "shape", None)
    if shape is None or len(shape) != 2 or shape[-1] is None:
        received = list(shape) if shape is not None else _shown(output)
        raise InputError(
            "Expected an encoder with one output [B, D], an embedding for "
            f"each image. Received: {received}. Choose one output by "
            "keras.Model(encoder.input, …), and end with a layer such as "
            "GlobalAveragePooling2D or Flatten where images are left."
        )
    return shape[-1]


def _shown(output: object) -> str:
    """The shapes of several outputs."""
    shapes = [list(tensor.shape) for tensor in tf.nest.flatten(output)]
    return f"{len(shapes)} outputs, {', '.join(map(str, shapes))}"


def _unknown(encoder: keras.layers.Layer, reason: str) -> InputError:
    return InputError(
        "Expected an encoder that says the shapes of its images and its "
        f"embeddings. Received: {encoder.name!r}, of which {reason}. Give "
        "keras.Sequential([keras.Input((S, S, 3)), encoder]) instead."
    )
