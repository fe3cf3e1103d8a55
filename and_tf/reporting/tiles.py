"""Images in groups: one, and beside it those that were found for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from and_tf.data.preprocessing import pictures
from and_tf.data.split import Split
from and_tf.data.walking import utf8
from and_tf.reporting.markup import Html, element
from and_tf.reporting.pictures import LOSSLESS, SIDE, tile_uri

PIXELS = 104  # That a tile takes of the page, without a phone's.


@dataclasses.dataclass(frozen=True)
class Tile:
    """An image with what is said of it.

    Attributes:
        split: Where it is from.
        number: Of the image there.
        kind: "query", "same", "other" or "": the colour of its frame.
        lines: Of the caption, after its class or its file's name.
    """

    split: Split
    number: int
    kind: str = ""
    lines: tuple[str, ...] = ()

    @property
    def label(self) -> int:
        """Its class, −1 for none."""
        labels = self.split.labels
        return -1 if labels is None else int(labels[self.number])

    @property
    def name(self) -> str:
        """Its class, or else its file, or else its number."""
        if self.label >= 0:
            return class_name(self.split, self.label)
        return self.source

    @property
    def source(self) -> str:
        """Which image of which split it is."""
        if self.split.file_names is not None:
            return utf8(self.split.file_names[self.number])
        return f"{self.split.name} {self.number}"


def class_name(split: Split, label: int) -> str:
    """The name of a class, its number where it has none."""
    return split.class_names[label] if split.class_names else str(label)


def found_beside(query: Tile, number: int, split: Split) -> Tile:
    """A tile found for another, framed by whether it has its class."""
    found = Tile(split, int(number))
    if query.label < 0 or found.label < 0:
        return found
    kind = "same" if query.label == found.label else "other"
    return dataclasses.replace(found, kind=kind)


def groups(rows: Sequence[Sequence[Tile]]) -> Html:
    """Draws groups of tiles.

    Args:
        rows: Groups, each one tile or more; all images of a split are fetched
            in one pass.
    """
    images = _fetch([tile for row in rows for tile in row])
    items = [
        element(
            "li",
            element(
                "div",
                *(_draw(t, images[id(t.split), t.number]) for t in row),
                class_="tiles",
            ),
        )
        for row in rows
    ]
    return element("ul", *items, class_="groups")


def _fetch(tiles: Sequence[Tile]) -> dict[tuple[int, int], np.ndarray]:
    """The images, uint8 [H, W, 3], by split and number."""
    images = {}
    for split in {id(tile.split): tile.split for tile in tiles}.values():
        numbers = np.unique([t.number for t in tiles if t.split is split])
        taken = pictures(split, numbers, SIDE)
        for number, image in zip(numbers, taken, strict=True):
            images[id(split), int(number)] = image
    return images


def _draw(tile: Tile, image: np.ndarray) -> Html:
    mark = {"same": "✓ ", "other": "✗ "}.get(tile.kind, "")
    lines = [f"{mark}{tile.name}", *tile.lines]
    small = min(image.shape[:2]) <= LOSSLESS
    picture = element(
        "img",
        src=tile_uri(image),
        alt=", ".join(dict.fromkeys([tile.name, *tile.lines, tile.source])),
        title=tile.source,
        width=PIXELS,
        height=PIXELS,
        class_="dots" if small else None,
    )
    caption = element("figcaption", *(element("span", t) for t in lines))
    return element("figure", picture, caption, class_=f"tile {tile.kind}")
