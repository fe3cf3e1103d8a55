"""Writes a run's encoder as a SavedModel for TensorFlow Serving."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import tempfile

import tensorflow as tf

from and_tf.training.run import Run
from export.embeddings import gallery
from export.exportable import Exportable
from export.metadata import describe
from export.serving import versions, warmup
from export.serving.servable import Options, Servable, takes_files

EXTRA = "assets.extra"  # Directory of files that TensorFlow does not read.
_NO_FILES = (
    "no signature takes files: TensorFlow decodes no TIFF and no opacity. "
    "Send pixels, or use export.embed, which reads such files."
)


def export(
    run: Exportable,
    output_dir: pathlib.Path,
    options: Options,
    *,
    gallery_kind: str = "clean",
    model_name: str = "and",
) -> pathlib.Path:
    """Writes the next version of a run's encoder and prints its signatures.

    Args:
        run: The run, clustering or fine-tuning to export.
        output_dir: The directory of the versions; created if needed.
        options: The signatures beside the embedding, and their parameters.
        gallery_kind: The images to compare with, one of `gallery.KINDS`.
        model_name: Name by which the server will know the model.

    Returns:
        The version's directory.

    Raises:
        InputError: If the run's data are needed and cannot be loaded, or the
            version cannot be written.
    """
    versions.check(output_dir)
    if not isinstance(run, Run):
        # It has a classifier of its own, which needs no training images.
        options = dataclasses.replace(options, classify=False)
    images = None
    if options.need_gallery:
        images = gallery.read(run, gallery_kind, labelled=options.classify)
    with tempfile.TemporaryDirectory() as assets:
        model = Servable(run, options, images, pathlib.Path(assets))

        def fill(path: pathlib.Path) -> None:
            tf.saved_model.save(model, str(path), signatures=model.functions)
            _write_extra(path / EXTRA, run, model, model_name)

        try:
            version = versions.add(output_dir, fill)
        except (OSError, tf.errors.OpError) as error:
            raise versions.failure(output_dir, error) from error
    _print(version, model, model_name)
    print(_ask(model_name) if takes_files(run.form) else _NO_FILES)
    return version


def _write_extra(
    path: pathlib.Path,
    run: Exportable,
    model: Servable,
    model_name: str,
) -> None:
    path.mkdir()
    text = json.dumps(describe(run), indent=2, allow_nan=False)
    (path / "encoder.json").write_text(text + "\n", encoding="utf-8")
    inputs = {
        name: function.input_signature[0]
        for name, function in model.functions.items()
    }
    warmup.write(path / warmup.FILE, model_name, inputs, warmup.batch_sizes())


def _print(version: pathlib.Path, model: Servable, model_name: str) -> None:
    """Prints the version, its signatures and the command to serve it."""
    size = sum(p.stat().st_size for p in version.rglob("*") if p.is_file())
    print(f"wrote {version}/, {size / 2**20:.1f} MiB")
    width = max(map(len, model.functions))
    for name, function in model.functions.items():
        concrete = function.get_concrete_function()
        outputs = ", ".join(
            f"{key} {_text(output)}"
            for key, output in concrete.structured_outputs.items()
        )
        spec = function.input_signature[0]
        print(f"  {name:<{width}}  {spec.name} {_text(spec)} -> {outputs}")
    place = os.path.abspath(version.parent)
    print(
        "serve it: docker run --rm -p 8500:8500 -p 8501:8501 -v "
        f'"{place}:/models/{model_name}:ro" -e MODEL_NAME={model_name} '
        "tensorflow/serving:2.20.0"
    )


def _ask(model_name: str) -> str:
    """Returns the line that says how to ask a server of the model."""
    name = "" if model_name == "and" else f" --model_name={model_name}"
    return (
        "then ask: python -m export.client --address=localhost:8500 "
        f"--images=photos{name}"
    )


def _text(tensor: tf.Tensor | tf.TensorSpec) -> str:
    """Describes a tensor's type, such as "float32 [?, 128]"."""
    sides = ("?" if side is None else str(side) for side in tensor.shape)
    return f"{tensor.dtype.name} [{', '.join(sides)}]"
