"""Finds the images most similar to one.

Examples:

    The nearest of the images in an index, to a new photo:
        python -m export.search --index=photos.npz --query=dog.jpg

    To one of the indexed images itself:
        python -m export.search --index=photos.npz --query=holiday/0017.jpg

    The 30 nearest, drawn into a file of your choice:
        python -m export.search --index=photos.npz --query=dog.jpg \\
            --neighbours=30 --output=similar.png

An index is what export.embed wrote. The command prints the images that it
finds, and draws them beside the query.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from typing import TYPE_CHECKING

import numpy as np

from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import for_console
from and_tf.utils.flag_config import FlagConfig, Group, option

if TYPE_CHECKING:
    from export.embeddings.index import Index, Query


@dataclasses.dataclass(frozen=True)
class SearchConfig(FlagConfig):
    """Flags that name the query, the index and the picture."""

    index: str = option(
        Group.DATA,
        "",
        "File of the embeddings, as export.embed wrote it.",
        required="the embeddings that python -m export.embed wrote",
        path=True,
    )
    # `any_text`, not `path`: it may be the name of a row, with any characters.
    query: str = option(
        Group.DATA,
        "",
        "Image to compare with: an image file, or the file_name of a row of "
        "the index.",
        required="an image file, or the file_name of a row of the index",
        any_text=True,
    )
    neighbours: int = option(
        Group.METHOD,
        10,
        "Number of images to find.",
        unit="images",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    model: str = option(
        Group.MODEL,
        "",
        "Model that made the index. If empty, it is where it was then.",
        path=True,
    )
    images: str = option(
        Group.DATA,
        "",
        "Place of the indexed images, to draw them. If empty, it is where "
        "they were then.",
        path=True,
    )
    data_dir: str = option(
        Group.DATA,
        "",
        "Directory where TFDS keeps its data sets. If empty, it is the one "
        "that export.embed used.",
        path=True,
    )
    output: str = option(
        Group.OUTPUT,
        "",
        "New .png file for the picture. If empty, it is "
        "<query>_neighbours.png in the working directory, which is replaced.",
        path=True,
    )


def main(config: SearchConfig) -> None:
    """Finds the images most similar to the query, and prints and draws them."""
    output = _picture(config)
    cli.import_tensorflow()
    from export.embeddings.index import Index

    index = Index.read(pathlib.Path(config.index))
    query = index.query(os.path.expanduser(config.query), config.model)
    rows, similarities = index.search(query, config.neighbours)
    _show(index, rows, similarities)
    _draw(config, index, query, rows, similarities, output)


def _picture(config: SearchConfig) -> pathlib.Path:
    """Returns the picture's path; checks that a named file does not exist."""
    if not config.output:
        # The name of a row may contain a colon or brackets of a TFDS slice.
        stem = pathlib.PurePath(config.query.rpartition("/")[2]).stem
        stem = re.sub(r"[^\w.-]+", "_", stem).strip("_")
        return pathlib.Path(f"{stem or 'query'}_neighbours.png")
    output = pathlib.Path(config.output)
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
    """Prints the rank, similarity, name and class of each image found."""
    print("rank  similarity  image")
    for rank, (row, similarity) in enumerate(zip(rows, similarities), 1):
        class_name = for_console(index.table.class_name(row))
        class_name = f"  ({class_name})" if class_name else ""
        name = for_console(index.table.file_names[row])
        print(f"{rank:>4}  {similarity:>10.4f}  {name}{class_name}")


def _draw(
    config: SearchConfig,
    index: Index,
    query: Query,
    rows: np.ndarray,
    similarities: np.ndarray,
    output: pathlib.Path,
) -> None:
    """Writes the picture, or prints in one line why it cannot be drawn."""
    from and_tf.figures import encode_png, retrieval_array
    from and_tf.figures.neighbour_gallery import MOST, Found
    from and_tf.utils import atomic_files

    table = index.table
    wanted = [*rows[:MOST]]
    if query.row is not None:
        wanted.append(query.row)
    try:
        images = index.pictures(wanted, config.images, config.data_dir)
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
    cli.run(main, SearchConfig)
