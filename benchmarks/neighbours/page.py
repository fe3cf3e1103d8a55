"""Fill in the tables of arms in docs/neighbourhoods.md."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

from and_tf.utils import averages
from benchmarks.harness import record
from benchmarks.neighbours.rules import ARMS

PATH = record.HERE.parent / "docs" / "neighbourhoods.md"
RESULTS = record.RESULTS / "neighbours"
Seeds = list[dict[str, dict[str, Any]]]  # Figures by arm, for each seed.


def read(study: str, results: pathlib.Path = RESULTS) -> Seeds:
    """Return the figures of a study, of a directory `<study>_<seed>` per seed.

    Arms of a seed without the arm `none` have nothing to be compared with.
    """
    found = []
    for place in sorted(results.glob(f"{study}_[0-9]*")):
        files = {path.stem: path for path in place.glob("*.json")}
        found.append(
            {
                name: json.loads(files[name].read_text("utf-8"))
                for name in ARMS
                if name in files
            }
        )
    return [arms for arms in found if "none" in arms]


def filled(text: str, results: pathlib.Path = RESULTS) -> str:
    """Return the page with its tables made anew.

    Args:
        text: The page, with <!-- arms: study label --> and <!-- end --> around
            the table of a study by one kind of label.
        results: The directory of the figures.
    """
    return re.sub(
        r"(<!-- arms: (\w+) (\w+) -->\n).*?(<!-- end -->)",
        lambda one: (
            f"{one[1]}\n{table(read(one[2], results), one[3])}\n\n{one[4]}"
        ),
        text,
        flags=re.DOTALL,
    )


def table(seeds: Seeds, label: str) -> str:
    """Format a line for each arm, with its differences from `none`.

    Args:
        seeds: The figures.
        label: The kind of label by which kNN was measured.
    """
    lines = [
        "| arm | neighbours right, first and last | as learnt | beside `none` "
        "| whitened | beside `none` |",
        "|---|---|---|---|---|---|",
    ]
    for name in ARMS:
        own = [arms for arms in seeds if name in arms]
        if not own:
            continue
        cells = [f"`{name}`", _right([arms[name] for arms in own])]
        for space in ("learnt", "whitened"):
            pairs = [
                [arms[one]["knn"][label][space] for one in (name, "none")]
                for arms in own
            ]
            cells.append(_mean([one for one, _ in pairs]))
            cells.append(_differences(pairs) if name != "none" else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(shares: list[float]) -> str:
    mean, deviation = averages.mean_deviation(100 * x for x in shares)
    assert mean is not None
    return averages.with_deviation(mean, deviation, 1)


def _differences(pairs: list[list[float]]) -> str:
    """Format the differences in points, one for each seed."""
    points = (round(100 * (a - b), 1) + 0.0 for a, b in pairs)  # No −0.
    return ", ".join(f"{one:+.1f}".replace("-", "−") for one in points)


def _right(runs: list[dict[str, Any]]) -> str:
    """Format the mean shares of anchors' neighbours that are right."""
    rounds = [run["rounds"] for run in runs if run["rounds"]]
    if not rounds or rounds[0][0]["right"] is None:
        return ""
    ends = zip(*((of[0]["right"], of[-1]["right"]) for of in rounds))
    return ", ".join(f"{100 * sum(end) / len(end):.0f} %" for end in ends)
