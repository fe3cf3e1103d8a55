"""A sweep's figures: a row a combination, mean ± deviation over its seeds."""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from and_tf import files
from and_tf.config import TrainConfig
from and_tf.sweeping.grid import SweepRun, label
from and_tf.sweeping.outcome import Outcome

NONE = "–"
HEADINGS = {
    "knn_top1_last": "last epoch, clean",
    "knn_top1_best": "best epoch, bank",
}
ROUND, LINEAR = "round_", "linear_"  # Before a round's number, a layer's name.


@dataclasses.dataclass(frozen=True)
class Row:
    """One combination.

    Attributes:
        values: Of the varied flags, by name.
        results: The result.json of each seed that has one.
        outcomes: Of all its seeds.
    """

    values: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]
    outcomes: Sequence[Outcome]


def rows_of(runs: Sequence[SweepRun], outcomes: Sequence[Outcome]) -> list[Row]:
    """Groups runs, in their order, by their combination."""
    groups: dict[str, list[tuple[SweepRun, Outcome]]] = {}
    for run, outcome in zip(runs, outcomes, strict=True):
        groups.setdefault(label(run.values), []).append((run, outcome))
    rows = []
    for group in groups.values():
        ends = [outcome for _, outcome in group]
        results = [end.result for end in ends if end.result]
        rows.append(Row(group[0][0].values, results, ends))
    return rows


def figures_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The accuracies of a run, as fractions, by name.

    `knn_top1_last` and `knn_top1_best` as result.json has them, `round_<r>`
    for the clean gallery's at the end of each round, and `linear_<layer>`
    for a linear classifier by SGD where it was evaluated. What the run has
    not, as without labels, is not there.
    """
    figures = {name: result[name] for name in HEADINGS}
    for entry in result["neighbourhoods"]:
        figures[ROUND + str(entry["round"])] = entry["knn_clean"]
    linear = result.get("evaluation", {}).get("linear", {"layers": []})
    for row in linear["layers"]:
        figures[LINEAR + row["layer"]] = row["sgd_top1"]
    return {name: x for name, x in figures.items() if x is not None}


def gather(results: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Figures of several runs, a list of their values by name."""
    gathered: dict[str, list[float]] = {}
    for result in results:
        for name, value in figures_of(result).items():
            gathered.setdefault(name, []).append(value)
    return gathered


def mean_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and the sample's standard deviation, None for one value."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return statistics.fmean(values), deviation


def percent(values: Sequence[float]) -> str:
    """Fractions as "51.9 ± 0.3" in percent; "51.9" for a single one."""
    if not values:
        return NONE
    mean, deviation = mean_deviation(values)
    text = f"{100 * mean:.1f}"
    return text if deviation is None else f"{text} ± {100 * deviation:.1f}"


def columns(names: Iterable[str]) -> list[str]:
    """Those of figures that a table shows: the two headline ones, the rounds.

    Args:
        names: From `figures_of`, in any order.
    """
    names = set(names)
    rounds = sorted(
        (name for name in names if name.startswith(ROUND)), key=round_number
    )
    return [name for name in HEADINGS if name in names] + rounds


def round_number(name: str) -> int:
    """r of `round_<r>`."""
    return int(name.removeprefix(ROUND))


def heading(name: str) -> str:
    """What stands above a figure's column."""
    if name in HEADINGS:
        return HEADINGS[name]
    number = round_number(name)
    return f"round {number}" if number else "instance"


def lines(rows: Sequence[Row]) -> str:
    """The table in Markdown, columns aligned, the best mean in bold."""
    gathered = [gather(row.results) for row in rows]
    names = columns(name for figures in gathered for name in figures)
    best = {n: _best([f.get(n, []) for f in gathered]) for n in names}
    table = [[*rows[0].values, "seeds", *map(heading, names), "minutes"]]
    for place, (row, figures) in enumerate(zip(rows, gathered, strict=True)):
        cells = [str(value) for value in row.values.values()]
        cells.append(f"{len(row.results)}/{len(row.outcomes)}")
        for name in names:
            text = percent(figures.get(name, []))
            cells.append(f"**{text}**" if place in best[name] else text)
        minutes = [result["seconds"] / 60 for result in row.results]
        cells.append(f"{statistics.fmean(minutes):.1f}" if minutes else NONE)
        table.append(cells)
    return aligned(table)


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Cells as a Markdown table that is one to the eye too."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table = [table[0], ["-" * width for width in widths], *table[1:]]
    return "".join(
        f"| {' | '.join(c.ljust(w) for c, w in zip(cells, widths))} |\n"
        for cells in table
    )


def _best(columns: Sequence[Sequence[float]]) -> list[int]:
    """Where the highest mean stands; nowhere if all are the same."""
    means = {i: statistics.fmean(x) for i, x in enumerate(columns) if x}
    highest = max(means.values(), default=None)
    if len(set(means.values())) < 2:
        return []
    return [i for i, mean in means.items() if mean == highest]


def series_of(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What `figures.comparison.Series` is made of, for each row."""
    series = []
    for row in rows:
        figures = gather(row.results)
        rounds = {
            round_number(name): values
            for name, values in figures.items()
            if name.startswith(ROUND)
        }
        series.append(
            {
                "values": row.values,
                "last": figures.get("knn_top1_last", []),
                "best": figures.get("knn_top1_best", []),
                "rounds": rounds,
            }
        )
    return series


def write(
    directory: pathlib.Path, rows: Sequence[Row], base: TrainConfig
) -> None:
    """Writes table.md and table.csv.

    Args:
        directory: Of the sweep.
        rows: From `rows_of`.
        base: The config of any of its runs.
    """
    varied = rows[0].values
    same = "".join(
        f"    --{field.name}={getattr(base, field.name)}\n"
        for field in dataclasses.fields(base)
        if getattr(base, field.name) != field.default
        and field.name not in (*varied, "seed", "run_dir", "resume")
    )
    text = (
        f"# {directory.name}\n\n{lines(rows)}\n{_caption(rows)}"
        f"{_failures(rows)}\nThe same in all runs:\n\n{same}"
    )
    files.write_text(directory / "table.md", text)
    files.write_text(directory / "table.csv", _csv(rows))


def _caption(rows: Sequence[Row]) -> str:
    """What the figures are: their protocols."""
    protocols = [r["knn_protocol"] for row in rows for r in row.results]
    told = {
        f"kNN top-1 in percent, K = {p['K']}, τ = {p['temperature']:g}, "
        f"queries {p['queries']}; mean ± sample standard deviation over seeds. "
        f"Clean: gallery {p['gallery_last']}, also at the end of each round. "
        f"Bank: {p['gallery_best']}.\n"
        for p in protocols
        if p
    }
    return "".join(sorted(told)) or "No labels, so no accuracies.\n"


def _failures(rows: Sequence[Row]) -> str:
    notes = [
        f"- {label(row.values)}: {outcome.note}\n"
        for row in rows
        for outcome in row.outcomes
        if outcome.state == "failed"
    ]
    return f"\nFailed:\n\n{''.join(notes)}" if notes else ""


def _csv(rows: Sequence[Row]) -> str:
    """Fractions in full, and the seeds of which they are."""
    gathered = [gather(row.results) for row in rows]
    names = columns(name for figures in gathered for name in figures)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    pairs = [f"{name}_{what}" for name in names for what in ("mean", "sd")]
    writer.writerow([*rows[0].values, "seeds", *pairs])
    for row, figures in zip(rows, gathered, strict=True):
        seeds = " ".join(str(result["seed"]) for result in row.results)
        cells = [*row.values.values(), seeds]
        for name in names:
            values = figures.get(name)
            cells += mean_deviation(values) if values else (None, None)
        writer.writerow(cells)
    return text.getvalue()
