"""Makes the pipelines that put each image through a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference

from export.beam import images, pipelines, shards
from export.beam.inference import ExportedModel
from export.beam.pipeline_flags import ModelFlags
from export.embeddings import encoders


def embed(config: ModelFlags, beam_flags: Sequence[str]) -> None:
    """Writes the embeddings of images.

    Args:
        config: The flags.
        beam_flags: The options of Beam.

    Raises:
        InputError: If images, model or output cannot be used, or the pipeline
            fails.
    """
    encoder = encoders.load(config.model)
    dim = encoder.embedding_dim
    schema = pa.schema([
        ("file_name", pa.string()),
        ("embedding", pa.list_(pa.float32(), dim)),
    ])  # fmt: skip
    handler = ExportedModel(
        config.model, encoder.fingerprint, config.batch_size
    )

    def to_row(keyed: tuple[str, Any]) -> dict[str, Any]:
        return {"file_name": keyed[0], "embedding": keyed[1]}

    _run(config, beam_flags, encoder, handler, to_row, schema, 4 * dim)


def assign(config: ModelFlags, beam_flags: Sequence[str]) -> None:
    """Writes the clusters or classes of images.

    Args:
        config: The flags.
        beam_flags: The options of Beam.

    Raises:
        InputError: If images, model or output cannot be used, the model has no
            clusters or classes, or the pipeline fails.
    """
    classifier = encoders.load_classifier(config.model)
    number, name = classifier.columns
    schema = pa.schema([
        ("file_name", pa.string()),
        (number, pa.int64()),
        (name, pa.string()),
        ("probability", pa.float32()),
    ])  # fmt: skip
    handler = ExportedModel(
        config.model, classifier.fingerprint, config.batch_size, classifies=True
    )

    def to_row(keyed: tuple[str, Any]) -> dict[str, Any]:
        return dict(zip(schema.names, (keyed[0], *keyed[1]), strict=True))

    _run(config, beam_flags, classifier, handler, to_row, schema, 32)


def _run(
    config: ModelFlags,
    beam_flags: Sequence[str],
    model: encoders.Encoder | encoders.Classifier,
    handler: ExportedModel,
    to_row: Callable[[tuple[str, Any]], dict[str, Any]],
    schema: pa.Schema,
    row_bytes: int,
) -> None:
    """Runs a pipeline from images to the rows of a table."""
    options = pipelines.read_options(beam_flags)
    pipelines.check_output(config.output, "", images.LISTED)
    found = images.find(config.images)
    pipelines.make_directory(config.output)

    def build(pipeline: beam.Pipeline) -> None:
        files = images.read(pipeline, found)
        decoded = files | "Decode" >> beam.ParDo(
            images.Decode(model.image_size, model.form)
        ).with_outputs(images.UNREADABLE, main="read")
        _ = (
            decoded["read"]
            | "Infer" >> RunInference(KeyedModelHandler(handler))
            | "Row" >> beam.Map(to_row)
            | "Write"
            >> shards.write(config.output, schema, config.shards, row_bytes)
        )
        _ = decoded[images.UNREADABLE] | "List" >> shards.write_lines(
            config.output + images.LISTED
        )

    pipelines.run(options, build)
    _tell(config, found.left_out)


def _tell(config: ModelFlags, left_out: Sequence[str]) -> None:
    """Prints what was done.

    Raises:
        InputError: If no image could be read.
    """
    for line in left_out:
        print(f"left out {line}")
    images.tell_of_unreadable(config.images, config.output, config.output)
    rows = shards.total(shards.written(config.output))
    print(
        f"wrote {rows:,} rows in {config.shards} files, "
        f"{config.output}-*-of-*{shards.SUFFIX}"
    )
