"""Finds the shape of an encoder's images and the size of its embeddings."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class EncoderShapes:
    """The shapes of an encoder's input and output.

    Attributes:
        images: The shape of a batch of images, (None, S, S, 3) for most
            encoders; None stands for a free size.
        dtype: The dtype of the images.
        embedding_dim: D, the length of an embedding.
    """

    images: tuple[int | None, ...]
    dtype: str
    embedding_dim: int

    @property
    def input_spec(self) -> tf.TensorSpec:
        """The spec of the images, for a function that embeds them."""
        return tf.TensorSpec(self.images, self.dtype)


def encoder_shapes(encoder: keras.layers.Layer) -> EncoderShapes:
    """Finds the shapes of an encoder of any kind.

    Functional and sequential models know their shapes. For a subclassed model,
    the shape of the images is that of its first call, and the shape of the
    embeddings is found by a symbolic call.

    Args:
        encoder: Any Keras model or layer from images to embeddings.

    Raises:
        InputError: If the encoder is no Keras layer, is not built, has
            unknown shapes, or does not have one output [B, D].
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
    """Returns a symbolic batch of the encoder's images."""
    inputs = getattr(encoder, "inputs", None)  # None for a subclassed model.
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
    """Returns the encoder's output, symbolic tensors in any structure."""
    try:
        return encoder.compute_output_spec(images)
    except Exception as error:  # The user's own `call` may raise anything.
        reason = str(error).strip().partition("\n")[0]
        raise _unknown(
            encoder, f"a symbolic call ended in: {reason}"
        ) from error


def _embedding_dim(output: object) -> int:
    """Returns D of an output [B, D]; raises an `InputError` for any other."""
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
    """Formats the shapes of several outputs for an error message."""
    shapes = [list(tensor.shape) for tensor in tf.nest.flatten(output)]
    return f"{len(shapes)} outputs, {', '.join(map(str, shapes))}"


def _unknown(encoder: keras.layers.Layer, reason: str) -> InputError:
    return InputError(
        "Expected an encoder whose shapes of images and embeddings are known. "
        f"Received: {encoder.name!r}: {reason}. Give "
        "keras.Sequential([keras.Input((S, S, 3)), encoder]) instead."
    )
