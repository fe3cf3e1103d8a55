"""Searches a table of embeddings exactly."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from and_tf.data import image_file
from and_tf.data.pixel_format import PixelFormat
from and_tf.data.preprocessing import centre_square
from and_tf.search.nearest import nearest
from and_tf.utils import records, schemas
from and_tf.utils.errors import InputError
from and_tf.utils.pictures import picture
from export.embeddings import encoders, sources, tables
from export.embeddings.formats import Table


@dataclasses.dataclass(frozen=True)
class Query:
    """An image to search for.

    Attributes:
        name: The name of its file or of its row.
        embedding: float32 [D], its embedding.
        image: uint8 [H, W, 3], its pixels; None for a row of the index.
        row: Its row in the index; None for a file.
    """

    name: str
    embedding: np.ndarray
    image: np.ndarray | None = None
    row: int | None = None


@dataclasses.dataclass(frozen=True)
class Index:
    """A table of embeddings with the description of its origin.

    Attributes:
        path: The file of the table.
        table: The rows of the table.
        about: The content of the sidecar; empty if there is none.
    """

    path: pathlib.Path
    table: Table
    about: dict[str, Any]

    @classmethod
    def read(cls, path: pathlib.Path) -> Index:
        """Reads a table and its sidecar.

        Args:
            path: The file of the table.

        Raises:
            InputError: If the table does not exist, or one of the files is
                damaged.
        """
        table = tables.read(path)
        note = tables.sidecar(path)
        about = {}
        if note.exists():
            about = records.read(
                note,
                schemas.Sidecar,
                f"the JSON that was written with {path}",
                "Remove it, and name the model with --model.",
            )
        count = len(table.file_names)
        if about.get("count", count) != count:
            raise InputError(
                f"Expected {about['count']:,} rows in {path}, as {note} says. "
                f"Received: {count:,}. Embed the images again."
            )
        return cls(path, table, about)

    def query(self, image: str, model: str = "") -> Query:
        """Embeds an image file, or looks up a row by its name.

        Args:
            image: An image file, or the file_name of a row.
            model: Path of the encoder; "" is the one that the sidecar names.

        Raises:
            InputError: If there is no such image, or the encoder is not the
                one that made the table.
        """
        if not pathlib.Path(image).is_file():
            return self._row(image)
        try:
            pixels = image_file.read_image(image, self._form)
        except Exception as error:  # Pillow raises many types.
            raise InputError(
                f"Expected --query to be an image. Received: {image}, which "
                f"cannot be read: {error}."
            ) from error
        encoder = self._encoder(model)
        square = centre_square(pixels[None], encoder.image_size).numpy()
        return Query(image, encoder(square)[0], picture(pixels))

    def search(self, query: Query, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the rows most similar to a query, without the query itself.

        Args:
            query: The image to search for.
            count: The number of rows k to find.

        Returns:
            The rows, integer [k], with the most similar first, and their dot
            products with the query, [k].

        Raises:
            InputError: If the index has fewer than k rows to choose from.
        """
        rows = self.table.embeddings
        if query.row is not None:
            rows = np.delete(rows, query.row, axis=0)
        if count > len(rows):
            raise InputError(
                f"Expected --neighbours of at most {len(rows):,}, the images "
                f"there are to choose from. Received: {count:,}."
            )
        found = nearest(query.embedding[None], rows, count)
        index = found.index[0]
        if query.row is not None:
            index = index + (index >= query.row)
        return index, found.similarity[0]

    def pictures(
        self, rows: Sequence[int], images: str = "", data_dir: str = ""
    ) -> list[np.ndarray | None]:
        """Reads the images of some rows again.

        Args:
            rows: The numbers of m rows.
            images: Place of the indexed images, as for --images; "" is the
                place from which they were embedded.
            data_dir: Directory where TFDS keeps its data sets; "" is the one
                that was used for embedding.

        Returns:
            m images, each uint8 [H, W, 3], or None if it cannot be read.

        Raises:
            InputError: If no image can be read.
        """
        source = images or self.about.get("images")
        if not source:
            raise InputError(
                f"Expected {tables.sidecar(self.path)}, which names the "
                "images. Received: no such file. Name them with --images."
            )
        root = sources.root_of(images) if images else self.about.get("root", "")
        names = [self.table.file_names[row] for row in rows]
        data_dir = data_dir or self.about.get("data_dir", "")
        image_key = self.about.get("image_key", "")
        found = sources.pictures(
            source, root, data_dir, names, image_key, self._form
        )
        if all(image is None for image in found):
            raise InputError(
                f"Expected the images of {source}. Received: none of those "
                f"found, such as {names[0]}. Name their place with --images."
            )
        return found

    @property
    def _form(self) -> PixelFormat:
        return PixelFormat.of(self.about)

    def _row(self, name: str) -> Query:
        if name not in self.table.file_names:
            raise InputError(
                "Expected --query to be an image file, or the file_name of a "
                f"row of {self.path}, such as {self.table.file_names[0]}. "
                f"Received: {name}, which is neither."
            )
        row = self.table.file_names.index(name)
        return Query(name, self.table.embeddings[row], row=row)

    def _encoder(self, model: str) -> encoders.Encoder:
        """Loads the encoder, and checks that it is the one of the table."""
        path = model or self.about.get("model")
        if not path:
            raise InputError(
                f"Expected {tables.sidecar(self.path)}, which names the "
                "model. Received: no such file. Name the model with --model."
            )
        encoder = encoders.load(path)
        dim = self.table.embeddings.shape[1]
        if encoder.embedding_dim != dim:
            raise InputError(
                f"Expected a model with {dim} dimensions, as {self.path} has. "
                f"Received: {path} with {encoder.embedding_dim}. Name the "
                "model that made it with --model, or embed the images again."
            )
        made_with = self.about.get("model_fingerprint", encoder.fingerprint)
        if encoder.fingerprint != made_with:
            raise InputError(
                f"Expected the model that made {self.path}, {made_with[:12]}…"
                f". Received: {path}, {encoder.fingerprint[:12]}…, whose "
                "embeddings cannot be compared with it. Name the right model "
                "with --model, or embed the images again."
            )
        return encoder
