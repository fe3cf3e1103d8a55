"""Runs the installed commands of export, in the way of `and_tf.scripts`."""

from __future__ import annotations

from and_tf.scripts import run_as_main


def saved_model() -> None:
    """Runs `and-export-saved-model`."""
    run_as_main("export.saved_model")


def tflite() -> None:
    """Runs `and-export-tflite`."""
    run_as_main("export.tflite")


def keras_model() -> None:
    """Runs `and-export-keras`."""
    run_as_main("export.keras_model")


def onnx() -> None:
    """Runs `and-export-onnx`."""
    run_as_main("export.onnx")


def embed() -> None:
    """Runs `and-embed`."""
    run_as_main("export.embed")


def search() -> None:
    """Runs `and-search`."""
    run_as_main("export.search")


def client() -> None:
    """Runs `and-client`."""
    run_as_main("export.client")


def beam_embed() -> None:
    """Runs `and-beam-embed`."""
    run_as_main("export.beam.embed")


def beam_neighbours() -> None:
    """Runs `and-beam-neighbours`."""
    run_as_main("export.beam.neighbours")


def beam_duplicates() -> None:
    """Runs `and-beam-duplicates`."""
    run_as_main("export.beam.duplicates")


def beam_assign() -> None:
    """Runs `and-beam-assign`."""
    run_as_main("export.beam.assign")
