"""The rounds of a run, and the bands that show them behind its curves."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from and_tf.figures import canvas

History = Sequence[Mapping[str, float]]

CHARACTER = 8  # Pixels, about the width of a character of a band's name.


@dataclasses.dataclass(frozen=True)
class Span:
    """The epochs of one round.

    Attributes:
        round: 0 is instance learning; None where the history does not say.
        begin: Epochs that were finished before it.
        rows: Its part of the history.
    """

    round: int | None
    begin: int
    rows: History

    @property
    def end(self) -> int:
        """Epochs that were finished with it."""
        return self.rows[-1]["epoch"] + 1

    def first(self, key: str) -> float | None:
        """The first value of `key` within the round."""
        values = (row.get(key) for row in self.rows)
        return next((value for value in values if value is not None), None)

    def fitting(self, axes: Axes, texts: Sequence[str]) -> str:
        """The first of the texts that is no wider than the round's band."""
        first, last = axes.get_xlim()
        share = (self.end - self.begin) / (last - first)
        room = share * axes.get_window_extent().width / CHARACTER
        return next((text for text in texts if len(text) <= room), "")


def spans_of(history: History) -> list[Span]:
    """Cuts a history, in order of its epochs, into its rounds."""
    spans = []
    for number, rows in itertools.groupby(history, lambda r: r.get("round")):
        rows = list(rows)
        spans.append(Span(number, rows[0]["epoch"], rows))
    return spans


def draw_bands(axes: Axes, spans: Sequence[Span]) -> None:
    """Shades every other round."""
    for place, span in enumerate(spans):
        if place % 2:
            axes.axvspan(span.begin, span.end, color="#eef1f4", zorder=0)


def name_bands(axes: Axes, spans: Sequence[Span], rounds: int) -> None:
    """Names the rounds above a panel, shortly where a band is narrow.

    Args:
        axes: Its limits of x are set.
        spans: From `spans_of`.
        rounds: R; 0 leaves it out of the names.
    """
    for span in spans:
        axes.text(
            (span.begin + span.end) / 2,
            1.03,
            span.fitting(axes, _names(span, rounds)),
            transform=axes.get_xaxis_transform(),
            size=10,
            color=canvas.css(canvas.GREY),
            horizontalalignment="center",
        )


def _names(span: Span, rounds: int) -> tuple[str, ...]:
    """Names of a round, the longest first."""
    if span.round is None:
        return ()
    if span.round == 0:
        return ("instance", "0")
    of = f"/{rounds}" if rounds else ""
    return f"round {span.round}{of}", f"{span.round}{of}", f"{span.round}"
