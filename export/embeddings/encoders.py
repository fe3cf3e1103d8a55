"""Loads exported encoders of both formats, as functions of images."""

from __future__ import annotations

import hashlib
import os
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import tensorflow as tf

from and_tf import storage
from and_tf.data.pixel_format import PixelFormat
from and_tf.utils import paths, records, schemas
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    from export.tflite.encoder import TFLiteEncoder

SIGNATURE, CLASSIFY = "serving_default", "classify"
INPUT, OUTPUT = "images", "embedding"
_NOTE = pathlib.Path("assets.extra", "encoder.json")
# The number, its name and the probabilities of a signature that classifies,
# for clusters, for classes of a fine-tuning, and for classes by kNN.
_ANSWERS = (
    ("cluster", "name", "probabilities"),
    ("label", "class_name", "probabilities"),
    ("label", "class_name", "score"),
)


class Encoder(Protocol):
    """A frozen encoder.

    Attributes:
        image_size: The side S of the images, in pixels.
        embedding_dim: The length D of an embedding.
        fingerprint: SHA-256 of the model's bytes, as hexadecimal digits.
        form: The channels of the images, and what their levels stand for.
    """

    image_size: int
    form: PixelFormat
    embedding_dim: int
    fingerprint: str

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Embeds levels, uint8 [B, S, S, C], to float32 [B, D]."""


def load(path: str | os.PathLike[str]) -> Encoder:
    """Loads an encoder that runs on all of the CPU's cores.

    Args:
        path: A .tflite file, the directory of a SavedModel, or the directory
            of its versions, of which the highest is loaded; or its URL.

    Raises:
        InputError: If there is no such model, or it is damaged.
    """
    if paths.is_url(os.fspath(path)):
        path = storage.fetched(os.fspath(path))
    path = pathlib.Path(path)
    if path.is_file():
        return _TFLite(path)
    if not path.is_dir():
        raise InputError(
            "Expected --model to be a .tflite file or the directory of a "
            f"SavedModel. Received: {path}, which is not there."
        )
    return _SavedModel(_versioned(path))


def load_classifier(path: str | os.PathLike[str]) -> Classifier:
    """Loads the signature of a SavedModel that gives clusters or classes.

    Args:
        path: As for `load`, but no .tflite file.

    Raises:
        InputError: If there is no such model, or it is damaged, or has no
            clusters and no classes.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise InputError(
            "Expected --model to be the directory of a SavedModel. Received: "
            f"{path}."
        )
    return Classifier(_versioned(path))


class Classifier:
    """The clusters or classes of a SavedModel.

    Args:
        path: The directory of a saved_model.pb.

    Attributes:
        image_size: The side S of the images, in pixels.
        fingerprint: SHA-256 of the model's bytes, as hexadecimal digits.
        form: The channels of the images, and what their levels stand for.
        columns: The names of the number and of the name that are given, such
            as "cluster" and "name".
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._model = _opened(path)
        found = getattr(self._model, "signatures", {})
        outputs = (
            found[CLASSIFY].structured_outputs if CLASSIFY in found else {}
        )
        fitting = [names for names in _ANSWERS if {*names} <= {*outputs}]
        if not fitting:
            raise InputError(
                f"Expected a signature {CLASSIFY} with clusters or classes in "
                f"{path}. Received: {', '.join(found) or 'no signatures'}. "
                "Export a clustering or a fine-tuning, or add --classify."
            )
        self._function = found[CLASSIFY]
        self._answers = fitting[0]
        self.columns = fitting[0][:2]
        self.image_size = _image_size(self._function, path)
        self.form = _form(self._function, path)
        self.fingerprint = _fingerprint(path)

    def __call__(self, images: np.ndarray) -> list[tuple[int, str, float]]:
        """Returns the number, the name and the probability of each image.

        Args:
            images: uint8 [B, S, S, C].
        """
        values = self.form.values(images)
        found = self._function(images=tf.constant(values))
        number, name, probabilities = (
            found[answer].numpy() for answer in self._answers
        )
        names = [each.decode(errors="backslashreplace") for each in name]
        return list(
            zip(
                number.tolist(),
                names,
                probabilities.max(1).tolist(),
                strict=True,
            )
        )


class _TFLite:
    """An encoder in a .tflite file."""

    def __init__(self, path: pathlib.Path) -> None:
        from export.tflite.encoder import TFLiteEncoder

        with open(path, "rb") as file:
            identified = file.read(8)[4:] == b"TFL3"
        if not identified:
            raise InputError(
                "Expected --model to be a .tflite file or the directory of a "
                f"SavedModel. Received: {path}, a file of another kind."
            )
        try:
            self._encoder = TFLiteEncoder(path, threads=os.cpu_count())
        except (RuntimeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise _damaged(path, error) from error
        self.image_size = self._encoder.image_size
        self.embedding_dim = self._encoder.embedding_dim
        self.form = _form_beside(self._encoder, path)
        self.fingerprint = _sha256(path)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self._encoder(self.form.values(images))


class _SavedModel:
    """An encoder in the directory of a saved_model.pb."""

    def __init__(self, path: pathlib.Path) -> None:
        # The model is kept because its function does not keep the variables
        # alive.
        self._model = _opened(path)
        self._function = _signature(self._model, path)
        self.image_size = _image_size(self._function, path)
        self.embedding_dim = _embedding_dim(self._function, path)
        self.form = _form(self._function, path)
        self.fingerprint = _fingerprint(path)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        values = tf.constant(self.form.values(images))
        return self._function(images=values)[OUTPUT].numpy()


def _opened(path: pathlib.Path) -> Any:
    """Loads a SavedModel.

    Raises:
        InputError: If it is damaged.
    """
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:  # The loader raises many types.
        raise _damaged(path, error) from error


def _fingerprint(path: pathlib.Path) -> str:
    variables = (path / "variables").glob("*")
    return _sha256_of_all(path, [path / "saved_model.pb", *variables])


def _versioned(path: pathlib.Path) -> pathlib.Path:
    """Returns the directory of saved_model.pb: itself, or the last version."""
    if (path / "saved_model.pb").is_file():
        return path
    versions = [
        child
        for child in path.iterdir()
        if child.name.isdecimal() and (child / "saved_model.pb").is_file()
    ]
    if versions:
        return max(versions, key=lambda child: int(child.name))
    hint = ""
    if (path / "flags.cfg").is_file():
        hint = (
            " It is a run: export it first with python -m export.saved_model "
            f"--run_dir={path}."
        )
    raise InputError(
        f"Expected saved_model.pb in {path} or in a numbered version below "
        f"it. Received none.{hint}"
    )


def _signature(
    model: Any, path: pathlib.Path
) -> tf.types.experimental.Callable:
    """Returns the signature that embeds; checks its input and output."""
    found = getattr(model, "signatures", {})
    if SIGNATURE in found:
        function = found[SIGNATURE]
        inputs = function.structured_input_signature[1]
        takes = inputs.get(INPUT)
        types = tf.uint8, tf.float32
        if len(inputs) == 1 and takes is not None and takes.dtype in types:
            if OUTPUT in function.structured_outputs:
                return function
        names = ", ".join([*inputs, "to", *function.structured_outputs])
        received = f"a signature of {names}".replace(", to, ", " to ")
    else:
        received = f"signatures {', '.join(found) or 'none at all'}"
    raise InputError(
        f"Expected a signature {SIGNATURE} from {INPUT}, uint8, to {OUTPUT} "
        f"in {path}. Received: {received}. Export the encoder with python -m "
        "export.saved_model."
    )


def _image_size(function: Any, path: pathlib.Path) -> int:
    """Returns the image size in encoder.json, or else the signature's own.

    A signature that resizes takes images of any size; only encoder.json says
    which size the encoder uses.
    """
    note = path / _NOTE
    if note.exists():
        return _read_note(note, path)["image_size"]
    shape = function.structured_input_signature[1][INPUT].shape
    sides: list[Any] = shape[1:3].as_list() if shape.rank == 4 else [None]
    if None in sides or len(set(sides)) != 1:
        raise InputError(
            f"Expected {note}, or a signature of one fixed image size. "
            f"Received: images of {shape} and no such file. Export the encoder "
            "anew with python -m export.saved_model."
        )
    return sides[0]


def _read_note(note: pathlib.Path, model: pathlib.Path) -> dict[str, Any]:
    expected = f"the note that was exported with {model}"
    remedy = "Export the encoder again."
    return records.read(note, schemas.EncoderNote, expected, remedy)


def _form(function: Any, path: pathlib.Path) -> PixelFormat:
    """Returns the format of a signature's images."""
    takes = function.structured_input_signature[1][INPUT]
    channels = takes.shape[-1] if takes.shape.rank == 4 else 3
    is_levels = takes.dtype == tf.uint8
    return _noted(channels or 3, is_levels, path / _NOTE, path)


def _form_beside(encoder: TFLiteEncoder, path: pathlib.Path) -> PixelFormat:
    """Returns the format of the images of a .tflite file."""
    is_levels = encoder.dtype == np.uint8
    note = path.with_suffix(".json")
    return _noted(encoder.channels, is_levels, note, path)


def _noted(
    channels: int, is_levels: bool, note: pathlib.Path, model: pathlib.Path
) -> PixelFormat:
    """Returns the format of images, whose range is noted beside the model.

    Raises:
        InputError: If there is no range of these channels.
    """
    if is_levels:
        return PixelFormat(channels)
    form = PixelFormat()
    if note.exists():
        form = PixelFormat.of(_read_note(note, model))
    if not form.ranged or not channels == form.channels == len(form.low):
        raise InputError(
            f"Expected {note}, which was exported with {model} and says which "
            f"values it maps to levels, for {channels} channels. Received: "
            f"{'another one' if note.exists() else 'no such file'}. Export "
            "the encoder again."
        )
    return form


def _embedding_dim(function: Any, path: pathlib.Path) -> int:
    output = function.structured_outputs[OUTPUT]
    if output.shape.rank != 2 or output.shape[1] is None:
        raise InputError(
            f"Expected the embedding of {path} to have a shape [None, D]. "
            f"Received: {output.shape}."
        )
    return output.shape[1]


def _damaged(path: pathlib.Path, error: Exception) -> InputError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(
        f"Expected a model in {path} that can be loaded. Received: "
        f"{said[:200]}. Export it again."
    )


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of_all(root: pathlib.Path, paths: Iterable[pathlib.Path]) -> str:
    """Computes one digest of the files' bytes and their names below `root`."""
    total = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(root).as_posix()
        total.update(f"{name} {_sha256(path)}\n".encode())
    return total.hexdigest()
