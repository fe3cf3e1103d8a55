"""Names the files in the directory of an exploration."""

from __future__ import annotations

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class ExploreDirectory:
    """The directory of an exploration.

    Attributes:
        path: The directory, which need not exist.
    """

    path: pathlib.Path

    @property
    def measured(self) -> pathlib.Path:
        """The directory of what was measured, which later calls reuse."""
        return self.path / "measured"

    @property
    def stages(self) -> pathlib.Path:
        """The directory of comparisons, which later calls reuse."""
        return self.path / "compared"

    @property
    def clusters(self) -> pathlib.Path:
        """The clusters, for images that come later."""
        return self.path / "clusters.npz"

    @property
    def cluster_table(self) -> pathlib.Path:
        """The names and sizes of the clusters; a user may edit the names."""
        return self.path / "clusters.csv"

    @property
    def not_duplicates(self) -> pathlib.Path:
        """The pairs that a user has marked as no duplicates."""
        return self.path / "not_duplicates.csv"

    @property
    def duplicates(self) -> pathlib.Path:
        """The groups of duplicates."""
        return self.path / "duplicates.csv"

    @property
    def leaks(self) -> pathlib.Path:
        """The duplicates across splits, or with the reference."""
        return self.path / "leaks.csv"

    @property
    def selected(self) -> pathlib.Path:
        """The images to label next."""
        return self.path / "to_label.csv"

    @property
    def unreadable(self) -> pathlib.Path:
        """The files that were left out, and why."""
        return self.path / "left_out.csv"

    @property
    def summary(self) -> pathlib.Path:
        """The settings and figures of the exploration."""
        return self.path / "explore.json"

    @property
    def sprites(self) -> pathlib.Path:
        """The sheets of small pictures that the page shows."""
        return self.path / "page" / "sprites"

    @property
    def page(self) -> pathlib.Path:
        """The page to look through the images."""
        return self.path / "index.html"
