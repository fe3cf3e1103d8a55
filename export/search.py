"""Finds the images most similar to one.

    python -m export.search --index=photos.npz --query=dog.jpg

prints the nearest of the images that `python -m export.embed` embedded, and
draws them beside the query.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import for_console

if TYPE_CHECKING:
    from export.embeddings.index import Index, Query

_INDEX = paths.define(
    "index", "", "The embeddings, as export.embed wrote them."
)
_QUERY = flags.DEFINE_string(
    "query", "", "An image file, or the file_name of a row of the index."
)
_NEIGHBOURS = bounds.define_number(
    "neighbours", 10, "How many to find.", least=1, most=bounds.NEIGHBOURS
)
_MODEL = paths.define(
    "model", "", "The model that made the index. Empty: where it lay then."
)
_IMAGES = paths.define(
    "images", "", "Where the indexed images are. Empty: where they lay then."
)
_DATA_DIR = paths.define(
    "data_dir", "", "Where TFDS keeps its data. Empty: as with export.embed."
)
_OUTPUT = paths.define(
    "output",
    "",
    "A new .png file. Empty: <query>_neighbours.png here, made anew.",
)


def main(argv: Sequence[str]) -> None:
    """Reads the flags and searches."""
    del argv
    for flag in (_INDEX, _QUERY):
        if not flag.value:
            raise InputError(
                f"Expected --{flag.name}: {flags.FLAGS[flag.name].help} "
                "Received: none."
            )
    output = _output()
    cli.import_tensorflow()
    from export.embeddings.index import Index

    index = Index.read(pathlib.Path(_INDEX.value))
    # Not read as a path: it may be the name of a row, whatever that is.
    name = os.path.expanduser(_QUERY.value)
    query = index.query(name, _MODEL.value)
    rows, similarities = index.search(query, _NEIGHBOURS.value)
    _show(index, rows, similarities)
    _draw(index, query, rows, similarities, output)


def _output() -> pathlib.Path:
    """Where the picture goes; one that was named is never overwritten."""
    if not _OUTPUT.value:
        # A row's name may hold a colon, or end in a slice.
        stem = pathlib.PurePath(_QUERY.value.rpartition("/")[2]).stem
        stem = re.sub(r"[^\w.-]+", "_", stem).strip("_")
        return pathlib.Path(f"{stem or 'query'}_neighbours.png")
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix != ".png":
        raise InputError(
            f"Expected --output to end in .png. Received: {str(output)!r}."
        )
    if output.exists():
        raise InputError(
            f"Expected a new --output. Received: {output}, which is there "
            "already. Remove it or choose another."
        )
    paths.check_output("output", output)
    return output


def _show(index: Index, rows: np.ndarray, similarities: np.ndarray) -> None:
    """Prints rank, similarity, name and class."""
    print("rank  similarity  image")
    for rank, (row, similarity) in enumerate(zip(rows, similarities), 1):
        class_name = for_console(index.table.class_name(row))
        class_name = f"  ({class_name})" if class_name else ""
        name = for_console(index.table.file_names[row])
        print(f"{rank:>4}  {similarity:>10.4f}  {name}{class_name}")


def _draw(
    index: Index,
    query: Query,
    rows: np.ndarray,
    similarities: np.ndarray,
    output: pathlib.Path,
) -> None:
    """Writes the picture, or says in a line why there is none."""
    from and_tf.figures import encode_png
    from and_tf.figures.retrieval import MOST, Found, retrieval_array
    from and_tf.utils import atomic_files

    table = index.table
    wanted = [*rows[:MOST]]
    if query.row is not None:
        wanted.append(query.row)
    try:
        images = index.pictures(wanted, _IMAGES.value, _DATA_DIR.value)
    except InputError as error:
        print(f"no picture: {error}")
        return
    class_name, image = "", query.image
    if query.row is not None:
        class_name, image = table.class_name(query.row), images.pop()
    found = [
        Found(image, table.file_names[row], table.class_name(row), similarity)
        for image, row, similarity in zip(images, rows, similarities)
    ]
    picture = retrieval_array(
        Found(image, query.name, class_name),
        found,
        searched=len(table.file_names),
    )
    atomic_files.write(
        output,
        lambda file: file.write(encode_png(picture)),
        "Make room, or name another place with --output.",
    )
    print(f"wrote {output}")


if __name__ == "__main__":
    cli.run(main)
