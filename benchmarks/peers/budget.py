"""Divide what a training may take into steps, or into epochs.

Python's own library is enough for this file and `setting.py`: they are read in
two environments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Budget:
    """Holds what a training may take: minutes, or views that it sees.

    Attributes:
        unit: "minutes" of training, without start-up and evaluation, or
            "million_views", the views of images that are seen.
        amount: How many.
    """

    unit: str
    amount: float

    @property
    def key(self) -> str:
        """Return a name for files: "10min" or "3Mviews"."""
        short = "min" if self.unit == "minutes" else "Mviews"
        return f"{self.amount:g}{short}"

    @property
    def title(self) -> str:
        """Return a name for people: "10 minutes" or "3 million views"."""
        if self.unit == "minutes":
            return f"{self.amount:g} minutes"
        return f"{self.amount:g} million views"

    def steps(self, seconds_a_step: float, views_a_step: int) -> int:
        """Return the steps that fit, at least 1.

        Args:
            seconds_a_step: As measured.
            views_a_step: Two for each image of a batch, where a method
                compares two views.
        """
        if self.unit == "minutes":
            return max(1, int(60 * self.amount / seconds_a_step))
        return max(1, int(1e6 * self.amount / views_a_step))

    def epochs(
        self, seconds_an_epoch: Sequence[float], views_an_epoch: int
    ) -> int:
        """Return the whole epochs that fit, at least 1.

        Args:
            seconds_an_epoch: Of the first epochs of such a training. The
                first one compiles too, and every training has one.
            views_an_epoch: One for each image.
        """
        if self.unit != "minutes":
            return max(1, int(1e6 * self.amount / views_an_epoch))
        first, *others = seconds_an_epoch
        usual = sum(others) / len(others) if others else first
        left = 60 * self.amount - max(first, usual)
        return max(1, 1 + int(left / usual))
