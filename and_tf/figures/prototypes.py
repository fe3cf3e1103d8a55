"""The most confident images of each cluster, a row a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from and_tf.figures import canvas
from and_tf.figures.tiles import Images, take, tile

TILE, GAP, MARGIN = 72, 6, 24  # Pixels, as all lengths here.
HEADER, NAMES = 76, 190
SHOWN = 10  # Images of each cluster.
MOST = 40  # Clusters, the largest ones.


def prototypes_array(
    images: Images,
    probabilities: np.ndarray,
    *,
    matching: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> np.ndarray:
    """Draws clusters, the surest image of each, its prototype, first.

    Args:
        images: uint8 [n, H, W, 3], or a function from sample numbers,
            int64 [m], to those images; it is called once.
        probabilities: float [n, C].
        matching: The class of each cluster, −1 for none; None where no
            labels are known.
        class_names: Names of the classes, or None.
        title: Stands above everything.

    Returns:
        uint8 [height, width, 3].
    """
    assigned, sure = probabilities.argmax(1), probabilities.max(1)
    sizes = np.bincount(assigned, minlength=probabilities.shape[1])
    largest = np.argsort(-sizes, kind="stable")[:MOST]
    rows = [c for c in sorted(largest) if sizes[c]]
    members = [_surest(assigned, sure, cluster) for cluster in rows]
    width = 2 * MARGIN + NAMES + SHOWN * (TILE + GAP) - GAP
    height = HEADER + len(rows) * (TILE + GAP) + MARGIN
    paper = np.full((height, width, 3), 255, np.uint8)
    pictures = iter(take(images, np.concatenate(members)))
    for row, numbers in enumerate(members):
        top = HEADER + row * (TILE + GAP)
        for place in range(len(numbers)):
            left = MARGIN + NAMES + place * (TILE + GAP)
            paper[top : top + TILE, left : left + TILE] = tile(
                next(pictures), TILE
            )
    figure = canvas.new_figure(width, height)
    figure.figimage(paper)
    canvas.write(
        figure, MARGIN, 44, title, size=15, weight="bold",
        room=width - 2 * MARGIN,
    )  # fmt: skip
    for row, cluster in enumerate(rows):
        top = HEADER + row * (TILE + GAP)
        name = _name(cluster, matching, class_names)
        canvas.write(figure, MARGIN, top + 32, name, size=11, room=NAMES - 12)
        canvas.write(
            figure, MARGIN, top + 52, f"{sizes[cluster]:,} images", size=9,
            colour=canvas.GREY,
        )  # fmt: skip
    return canvas.pixels(figure)


def _surest(assigned: np.ndarray, sure: np.ndarray, cluster: int) -> np.ndarray:
    """At most `SHOWN` members, the surest first, int64 [m]."""
    members = np.flatnonzero(assigned == cluster)
    order = np.argsort(-sure[members], kind="stable")
    return members[order[:SHOWN]]


def _name(
    cluster: int,
    matching: Sequence[int] | None,
    class_names: Sequence[str] | None,
) -> str:
    """A cluster by its number, and what it is matched to."""
    if matching is None:
        return f"cluster {cluster}"
    label = matching[cluster]
    if label < 0:
        return f"{cluster} → no class"
    return f"{cluster} → {class_names[label] if class_names else label}"
