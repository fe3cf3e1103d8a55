"""Writes an exported encoder as one file, with a .json file beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from typing import Any

from and_tf.training.run_flags import RunFlags
from and_tf.utils import atomic_files, paths
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import Group, option
from export.tensor_names import BACKBONE, EMBEDDING, INPUT, PROBABILITIES

REMEDY = "Make room or name another --output, then run again."


@dataclasses.dataclass(frozen=True)
class FeaturesFlags(RunFlags):
    """The flags that choose a run and what of its encoder is exported."""

    features: str = option(
        Group.EXPORT,
        EMBEDDING,
        "What the file computes: embedding, the encoder's vectors of unit "
        "norm; or backbone, the features before the head, which suit "
        "fine-tuning.",
        choices=(EMBEDDING, BACKBONE),
    )


def places(
    output: pathlib.Path, suffix: str, beside: str
) -> tuple[pathlib.Path, pathlib.Path]:
    """Returns the paths of a model's file and of the .json file beside it.

    Args:
        output: The path of --output.
        suffix: How the file must end, such as ".keras".
        beside: What the .json file has in the place of the suffix, such as
            ".keras.json": files of several formats may then share a name.

    Raises:
        InputError: If the name ends otherwise, or one of the files is there
            already or cannot be made.
    """
    if output.suffix != suffix:
        raise InputError(
            f"Expected --output to end in {suffix}. Received: {output}."
        )
    sidecar = output.with_suffix(beside)
    for path in (output, sidecar):
        paths.check_output("output", path)
        if path.exists():
            raise InputError(
                f"Expected a new --output. Received: {output}, but {path} is "
                "there already. Name another, or remove it."
            )
    return output, sidecar


def write(
    output: pathlib.Path,
    sidecar: pathlib.Path,
    content: bytes,
    description: dict[str, Any],
) -> None:
    """Writes both files, each whole or not at all.

    Args:
        output: The file of the model.
        sidecar: The .json file.
        content: The content of the model's file.
        description: JSON values for the .json file, to which the size and the
            checksum of the content are added.

    Raises:
        InputError: If a file cannot be written.
    """
    facts = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    atomic_files.write(output, lambda file: file.write(content), REMEDY)
    atomic_files.write_json(sidecar, {**description, **facts}, REMEDY)


def tensors(
    image_size: int,
    outputs: dict[str, int],
    channels: int = 3,
    dtype: str = "uint8",
) -> dict[str, Any]:
    """Describes the input and the outputs of a file, as JSON values.

    Args:
        image_size: The side S of the images, in pixels.
        outputs: The length of each output by its name; the first is that of
            the encoder.
        channels: The number of channels of the images.
        dtype: Their data type.
    """
    shape = image_size, image_size, channels
    name = next(iter(outputs))
    described = {
        "input": _tensor(INPUT, dtype, *shape),
        "output": _tensor(name, "float32", outputs[name]),
    }
    if PROBABILITIES in outputs:
        clusters = outputs[PROBABILITIES]
        described[PROBABILITIES] = _tensor(PROBABILITIES, "float32", clusters)
    return described


def _tensor(name: str, dtype: str, *shape: int) -> dict[str, Any]:
    """Describes a tensor; None in its shape stands for the batch size."""
    return {"name": name, "dtype": dtype, "shape": [None, *shape]}
