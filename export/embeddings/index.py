"""Exact search in a table of embeddings."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from and_tf.data import image_file
from and_tf.data.preprocessing import centre_square
from and_tf.search.nearest import nearest
from and_tf.utils import records, schemas
from and_tf.utils.errors import InputError
from export.embeddings import encoders, outputs, sources, tables
from export.embeddings.formats import Table


@dataclasses.dataclass(frozen=True)
class Query:
    """What is searched for.

    Attributes:
        name: Of its file, or of its row.
        embedding: float32 [D].
        image: uint8 [H, W, 3]; None of a row.
        row: Its row in the index, or None.
    """

    name: str
    embedding: np.ndarray
    image: np.ndarray | None = None
    row: int | None = None


@dataclasses.dataclass(frozen=True)
class Index:
    """A table with what is known of how it came about.

    Attributes:
        path: The table's.
        table: Its rows.
        about: The sidecar; empty where there is none.
    """

    path: pathlib.Path
    table: Table
    about: dict[str, Any]

    @classmethod
    def read(cls, path: pathlib.Path) -> Index:
        """Reads a table and its sidecar.

        Raises:
            InputError: The table is not there, or either is damaged.
        """
        table = tables.read(path)
        note = outputs.sidecar(path)
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
                f"Received: {count:,}. Embed the images anew."
            )
        return cls(path, table, about)

    def query(self, image: str, model: str = "") -> Query:
        """Embeds an image file, or looks a row up by its name.

        Args:
            image: The file, or the file_name of a row.
            model: The encoder; "" the one that the sidecar names.

        Raises:
            InputError: There is no such image, or the model is not the one
                of the table.
        """
        if not pathlib.Path(image).is_file():
            return self._row(image)
        try:
            pixels = image_file.read_image(image)
        except Exception as error:  # Pillow answers with many kinds.
            raise InputError(
                f"Expected --query to be an image. Received: {image}, which "
                f"cannot be read: {error}."
            ) from error
        encoder = self._encoder(model)
        square = centre_square(pixels[None], encoder.image_size).numpy()
        return Query(image, encoder(square)[0], pixels)

    def search(self, query: Query, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows most similar to a query; a row is no neighbour of its own.

        Args:
            query: What is searched for.
            count: k.

        Returns:
            Rows, integer [k], most similar first, and dot products [k].

        Raises:
            InputError: If there are not k rows to choose from.
        """
        own = query.row is not None
        rows = self.table.embeddings
        if own:
            rows = np.delete(rows, query.row, axis=0)
        if count > len(rows):
            raise InputError(
                f"Expected --neighbours of at most {len(rows):,}, the images "
                f"there are to choose from. Received: {count:,}."
            )
        found = nearest(query.embedding[None], rows, count)
        index = found.index[0]
        if own:
            index = index + (index >= query.row)
        return index, found.similarity[0]

    def pictures(
        self, rows: Sequence[int], images: str = "", data_dir: str = ""
    ) -> list[np.ndarray | None]:
        """Reads the images of some rows again.

        Args:
            rows: m of them.
            images: Where they are now; "" where they lay when embedded.
            data_dir: TFDS' directory; "" the one of then.

        Returns:
            m images, uint8 [H, W, 3], or None for one that is not to be had.

        Raises:
            InputError: None is.
        """
        source = images or self.about.get("images")
        if not source:
            raise InputError(
                f"Expected {outputs.sidecar(self.path)}, which names the "
                "images. Received: no such file. Name them with --images."
            )
        root = sources.root_of(images) if images else self.about.get("root", "")
        names = [self.table.file_names[row] for row in rows]
        data_dir = data_dir or self.about.get("data_dir", "")
        found = sources.pictures(source, root, data_dir, names)
        if all(image is None for image in found):
            raise InputError(
                f"Expected the images of {source}. Received: none of those "
                f"found, such as {names[0]}. Name their place with --images."
            )
        return found

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
        """The model that made the table, checked to be so."""
        path = model or self.about.get("model")
        if not path:
            raise InputError(
                f"Expected {outputs.sidecar(self.path)}, which names the "
                "model. Received: no such file. Name the model with --model."
            )
        encoder = encoders.load(path)
        dim = self.table.embeddings.shape[1]
        if encoder.embedding_dim != dim:
            raise InputError(
                f"Expected a model with {dim} dimensions, as {self.path} has. "
                f"Received: {path} with {encoder.embedding_dim}. Name the "
                "model that made it with --model, or embed the images anew."
            )
        made_with = self.about.get("model_fingerprint", encoder.fingerprint)
        if encoder.fingerprint != made_with:
            raise InputError(
                f"Expected the model that made {self.path}, {made_with[:12]}…"
                f". Received: {path}, {encoder.fingerprint[:12]}…, whose "
                "embeddings cannot be compared with it. Name the right model "
                "with --model, or embed the images anew."
            )
        return encoder
