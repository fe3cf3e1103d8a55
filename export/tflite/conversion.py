"""Converts an encoder to one TFLite file of built-in operations only.

The modes differ in how weights are stored and in the arithmetic:

- `none`: Weights and arithmetic are float32.
- `float16`: Weights are stored in float16; the arithmetic is float32.
- `dynamic`: Weights are int8 with a scale per channel. Activations are
  quantised at run time, each image by its own range.
- `int8`: Weights are as in `dynamic`. Activations are quantised by ranges that
  are measured beforehand on calibration images. Both ends stay float32: the
  normalisation of the input, and all that follows the pooled features
  (projection, norm and clusters). In int8 these few operations would cost most
  of the accuracy and save almost nothing; the embedding would not even have
  unit norm.
"""

from __future__ import annotations

import pathlib
import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert_phase import ConverterError

from and_tf.utils.errors import InputError
from and_tf.utils.progress import standard_error_aside
from export.tensor_names import INPUT, MODES, OUTPUT, SIGNATURE
from export.tflite import unsupported

_OPERATOR_NAMES = {
    value: name
    for name, value in vars(schema.BuiltinOperator).items()
    if isinstance(value, int)
}
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def convert(
    encoder: keras.Model,
    quantize: str = "none",
    calibration: Iterable[np.ndarray] | None = None,
    dtype: str = "uint8",
) -> bytes:
    """Converts an encoder to the content of a .tflite file.

    Args:
        encoder: A model from images [B, S, S, C], with values 0..255 and a
            fixed S, to embeddings [B, D], or to several outputs by name, each
            [B, …].
        quantize: One of `export.tensor_names.MODES`; the default is "none".
        calibration: Batches of typical images, [b, S, S, C] of the type
            `dtype`. Only `int8` uses them, and it needs them.
        dtype: The data type of the images that the file takes.

    Returns:
        The content of the file. Its signature `serving_default` takes
        `images`, [B, S, S, C] of any B, and returns `embedding`, float32
        [B, D], or the outputs by their names.

    Raises:
        InputError: If an argument is not as described here, or the encoder
            needs an operation that TFLite does not have built in. Layers that
            are known to need one are named before the conversion.
    """
    _check(encoder, quantize, calibration)
    with (
        tempfile.TemporaryDirectory() as name,
        standard_error_aside(),
        warnings.catch_warnings(action="ignore"),
    ):
        saved_model = pathlib.Path(name)
        _save(encoder, saved_model, dtype)
        try:
            content = _convert(saved_model, quantize, calibration)
        except ConverterError as error:
            raise InputError(
                "Expected an encoder of operations that TFLite has built in. "
                f"Received: {_reason(error)}"
            ) from error
    foreign = sorted(set(operators(content)) - set(_OPERATOR_NAMES.values()))
    if foreign:
        raise InputError(
            "Expected an encoder of operations that TFLite has built in. "
            f"Received one with {', '.join(foreign)}."
        )
    return content


def operators(content: bytes) -> list[str]:
    """Lists the operations of a .tflite file in the order in which they run.

    Args:
        content: The content of the file.

    Returns:
        TFLite's names of built-in operations, such as "CONV_2D", and
        "custom <name>" for others.
    """
    return [operator for operator, _ in _operators(content)]


def _operators(content: bytes) -> Iterator[tuple[str, str]]:
    """Yields each operation with the name of its output tensor."""
    model = schema.Model.GetRootAs(content)
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            code = model.OperatorCodes(operator.OpcodeIndex())
            tensor = graph.Tensors(operator.Outputs(0))
            yield _operator_name(code), tensor.Name().decode()


def _operator_name(code: schema.OperatorCode) -> str:
    # Older operations store their number in one field, newer in the other.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == schema.BuiltinOperator.CUSTOM:
        return f"custom {code.CustomCode().decode()}"
    return _OPERATOR_NAMES[number]


def _check(
    encoder: keras.Model,
    quantize: str,
    calibration: Iterable[np.ndarray] | None,
) -> None:
    if quantize not in MODES:
        raise InputError(
            f"Expected a mode among {', '.join(MODES)}. Received: {quantize!r}."
        )
    if quantize == "int8" and calibration is None:
        raise InputError(
            "Expected calibration images for int8: the ranges of its "
            "activations are measured on them. Received none."
        )
    shape = encoder.input_shape
    if len(shape) != 4 or None in shape[1:]:
        raise InputError(
            "Expected an encoder of images [B, S, S, C] with a fixed S. "
            f"Received: {shape}."
        )
    unsupported.check(encoder)


def _save(encoder: keras.Model, path: pathlib.Path, dtype: str) -> None:
    """Writes a SavedModel with the signature and the weights as constants.

    They are constants because the converter cannot calibrate a graph that
    reads variables.
    """
    trainable = [tf.constant(v.value) for v in encoder.trainable_variables]
    others = [tf.constant(v.value) for v in encoder.non_trainable_variables]
    images = tf.TensorSpec([None, *encoder.input_shape[1:]], dtype, INPUT)

    @tf.function(input_signature=[images])
    def embed(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs, _ = encoder.stateless_call(
            trainable, others, tf.cast(images, tf.float32), training=False
        )
        named = outputs if isinstance(outputs, dict) else {OUTPUT: outputs}
        return {k: tf.cast(output, tf.float32) for k, output in named.items()}

    module = tf.Module()
    module.embed = embed
    signatures = {SIGNATURE: embed.get_concrete_function()}
    tf.saved_model.save(module, path, signatures=signatures)


def _convert(
    saved_model: pathlib.Path,
    quantize: str,
    calibration: Iterable[np.ndarray] | None,
) -> bytes:
    converter = _converter(saved_model)
    if quantize == "none":
        return converter.convert()
    if quantize == "int8":
        assert calibration is not None
        ends = _ends(list(_operators(converter.convert())))
        return _quantized(_converter(saved_model), calibration, ends)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def _converter(saved_model: pathlib.Path) -> tf.lite.TFLiteConverter:
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=[SIGNATURE]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter


def _ends(operations: list[tuple[str, str]]) -> list[str]:
    """Returns the names of the tensors at both ends, which stay float32.

    These are all before the first layer with weights, and all from the pooled
    features or the last such layer on, whichever comes first.

    Args:
        operations: The operations of the float32 file, each with the name of
            its output tensor.
    """
    layers = [i for i, (kind, _) in enumerate(operations) if kind in _WEIGHTED]
    if not layers:
        return []
    first, last = layers[0], layers[-1]
    pooled = [i for i, (kind, _) in enumerate(operations) if kind == "MEAN"]
    if pooled:  # Projection, norm and clusters follow the pooled features.
        last = min(last, pooled[-1])
    return [name for _, name in operations[:first] + operations[last:]]


def _quantized(
    converter: tf.lite.TFLiteConverter,
    calibration: Iterable[np.ndarray],
    ends: list[str],
) -> bytes:
    """Calibrates and quantises all but the operations named in `ends`."""

    def batches() -> Iterator[dict[str, np.ndarray]]:
        for images in calibration:
            yield {INPUT: images}

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = batches
    # In TensorFlow, only the debugger can exclude operations; nothing else of
    # it is used.
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_nodes=ends
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=batches, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


def _reason(error: ConverterError) -> str:
    """Extracts the cause from the converter's long message."""
    text = str(error)
    names = sorted(set(re.findall(r"'(tf\.\w+)' op is neither", text)))
    return ", ".join(names) or text.strip().splitlines()[0]
