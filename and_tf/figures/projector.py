"""Writes points with thumbnails for TensorBoard's embedding projector."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins import projector

from and_tf.figures import canvas
from and_tf.utils import atomic_files
from and_tf.utils.escaping import for_console

CONFIG = "projector_config.pbtxt"  # The name that TensorBoard looks for.
TENSOR, METADATA, SPRITE = "embeddings.tsv", "metadata.tsv", "sprite.png"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns the text of the projector's table, a line for each point.

    The projector knows no quotes: a tab ends a cell, and a line end a row.
    Control characters are escaped, such as a tab as two characters, `\\t`.

    Args:
        columns: The names of the columns. A table of a single column has no
            header, as the projector would take it for a point.
        rows: The cells of each point.
    """
    lines = [*([columns] if len(columns) > 1 else []), *rows]
    return "".join(
        "\t".join(for_console(str(cell)) for cell in line) + "\n"
        for line in lines
    )


def write(
    directory: pathlib.Path,
    embeddings: np.ndarray,
    sheet: np.ndarray,
    side: int,
    metadata: str,
    remedy: str = atomic_files.REMEDY,
) -> None:
    """Writes the projector's files: points, sprites, table, configuration.

    Args:
        directory: The directory that `tensorboard --logdir` names.
        embeddings: float [m, D].
        sheet: The images of the points, as `tiles.sprite` lays them out.
        side: The side of each image on the sheet, in pixels.
        metadata: The text of the table, see `table`.
        remedy: The advice in errors, in a sentence.

    Raises:
        InputError: If the files cannot be written.
    """
    content = canvas.encode_png(sheet)
    atomic_files.write(
        directory / SPRITE, lambda file: file.write(content), remedy
    )
    atomic_files.write(
        directory / TENSOR,
        lambda file: np.savetxt(file, embeddings, "%.5g", delimiter="\t"),
        remedy,
    )
    atomic_files.write_text(directory / METADATA, metadata, remedy)
    config = projector.ProjectorConfig()
    points = config.embeddings.add()
    points.tensor_name = "embeddings"
    points.tensor_path = TENSOR
    points.metadata_path = METADATA
    points.sprite.image_path = SPRITE
    points.sprite.single_image_dim.extend([side, side])
    text = text_format.MessageToString(config)
    atomic_files.write_text(directory / CONFIG, text, remedy)
