"""Converts encoders to ONNX, and runs such files.

tf2onnx converts, as it does for Keras' own `model.export(format="onnx")`. It is
called directly, because Keras' way has float inputs only, and what is mended
here would fail there: three ways in which Keras traces a layer for TensorFlow
are none that tf2onnx knows.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from and_tf.data.pixel_format import PixelFormat
from and_tf.utils.errors import InputError
from and_tf.utils.progress import standard_error_aside
from export import file_values, sameness
from export.tensor_names import INPUT

MOST_DIFFERENCE = 1e-5
DESCRIPTION = "encoder"  # The key of the description in the file's metadata.
_PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
_OPSET = 18  # The latest that tf2onnx 1.17 knows.
_BATCH = "batch"  # The name of the images' first dimension.


def check_packages() -> None:
    """Refuses to begin where the packages that write ONNX are missing.

    Raises:
        InputError: If one is missing.
    """
    missing = [p for p in _PACKAGES if importlib.util.find_spec(p) is None]
    if missing:
        raise InputError(
            f"Expected the packages {', '.join(_PACKAGES)}, which write and "
            f"run ONNX files. Received none called {', '.join(missing)}. "
            "Install them: pip install -r requirements-onnx.txt, or pip "
            "install 'and-tf[onnx]'."
        )


def make(
    model: keras.Model, name: str, description: dict[str, Any]
) -> tuple[bytes, float]:
    """Makes the content of an ONNX file and compares it with the model.

    Args:
        model: A model from images [B, S, S, C] of a fixed S.
        name: The name of the output of a model that has one only.
        description: JSON values that the file carries in its metadata.

    Returns:
        The content, and the largest difference of its outputs from the
        model's, as `sameness.check` measures it. The file takes "images",
        uint8 [B, S, S, C] of any B, or float32 if they have a range.

    Raises:
        InputError: If onnxruntime cannot run what tf2onnx made of the model, or
            the outputs differ.
    """
    content = _convert(model, name, description)
    run_file = runner(content)
    form = PixelFormat.of(description)
    difference = sameness.check(model, run_file, name, MOST_DIFFERENCE, form)
    return content, difference


class _Runner:
    """Runs the content of an ONNX file on the CPU."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # Its errors are exceptions too.
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, images: np.ndarray) -> sameness.Outputs:
        """Computes the outputs by name of images, [B, S, S, C]."""
        names = [output.name for output in self._session.get_outputs()]
        values = self._session.run(names, {INPUT: images})
        return dict(zip(names, values, strict=True))


def runner(content: bytes) -> _Runner:
    """Opens the content of an ONNX file.

    Raises:
        InputError: If onnxruntime does not take it.
    """
    try:
        return _Runner(content)
    except Exception as error:  # It has a class for each kind of failure.
        raise InputError(
            "Expected an encoder that tf2onnx can write as ONNX. Received one "
            f"with {_reason(error)}. Export a SavedModel with "
            "export.saved_model instead."
        ) from error


def _convert(
    model: keras.Model, name: str, description: dict[str, Any]
) -> bytes:
    import onnx
    import tf2onnx

    dtype = file_values.dtype(PixelFormat.of(description))
    images = tf.TensorSpec([None, *model.input_shape[1:]], dtype, INPUT)

    @tf.function(input_signature=[images])
    def apply(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model(tf.cast(images, tf.float32), training=False)
        named = outputs if isinstance(outputs, dict) else {name: outputs}
        return {k: tf.cast(output, tf.float32) for k, output in named.items()}

    with _quiet(), _functions_inlined():
        try:
            converted, _ = tf2onnx.convert.from_function(
                apply,
                apply.input_signature,
                opset=_OPSET,
                custom_op_handlers={"Erfc": (_write_erfc, [])},
            )
        except Exception as error:  # tf2onnx promises no kind of error.
            raise InputError(
                "Expected an encoder that tf2onnx can write as ONNX. Received "
                f"one with {_reason(error)}. Export a SavedModel with "
                "export.saved_model instead."
            ) from error
    _fill_in(converted, apply.get_concrete_function())
    for tensor in (*converted.graph.input, *converted.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = _BATCH
    text = json.dumps(description)
    onnx.helper.set_model_props(converted, {DESCRIPTION: text})
    return converted.SerializeToString()


def _fill_in(converted: Any, function: Any) -> None:
    """Gives the file the constants that it would have as inputs.

    tf2onnx takes for inputs what a traced function has from outside and is no
    variable, such as the mean of Keras' `Normalization`.
    """
    import onnx

    outside = {inner.name: outer for outer, inner in function.graph.captures}
    inputs = list(converted.graph.input)
    del converted.graph.input[:]
    for tensor in inputs:
        if tensor.name not in outside:
            converted.graph.input.append(tensor)
            continue
        value = np.asarray(outside[tensor.name])
        constant = onnx.numpy_helper.from_array(value, tensor.name)
        converted.graph.initializer.append(constant)


def _write_erfc(graph: Any, node: Any, _name: str, _args: list[Any]) -> None:
    """Writes erfc, of which Keras makes its exact GELU, as 1 − erf."""
    from tf2onnx.utils import make_name

    dtype = graph.get_dtype(node.output[0])
    shape = graph.get_shape(node.output[0])
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", node.input, dtypes=[dtype], shapes=[shape])
    one = graph.make_const(make_name("one"), np.ones([], np.float32))
    graph.make_node(
        "Sub",
        [one.output[0], erf.output[0]],
        outputs=node.output,
        dtypes=[dtype],
        shapes=[shape],
    )


@contextlib.contextmanager
def _functions_inlined() -> Iterator[None]:
    """Traces without functions inside functions.

    Keras wraps a convolution of groups in a function for XLA, which stays a
    call that tf2onnx does not know.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what tf2onnx says, to the log and on standard error."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            standard_error_aside(),
            warnings.catch_warnings(action="ignore"),
        ):
            yield
    finally:
        logging.disable(before)


def _reason(error: Exception) -> str:
    """Extracts from an error what stands in the way."""
    text = str(error).strip() or type(error).__name__
    unknown = re.findall(r"No Op registered for (\w+)", text)
    if unknown:
        return f"TensorFlow's {unknown[0]}, which ONNX does not have"
    return f"this error: {text.splitlines()[-1].rstrip('.')}"
