"""Writes tables of a sweep, a row per combination, mean ± deviation."""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from and_tf.sweeping import metrics
from and_tf.sweeping.command import command_of
from and_tf.sweeping.grid import SweepRun, label
from and_tf.sweeping.metrics import (
    NONE,
    Values,
    caption,
    gather,
    measure,
)
from and_tf.sweeping.run_status import Outcome
from and_tf.utils import atomic_files, provenance
from and_tf.utils.averages import known, mean_deviation
from and_tf.utils.escaping import for_csv
from and_tf.utils.flag_config import RunConfig


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table: one combination of the varied flags.

    Attributes:
        values: The values of the varied flags, by name.
        results: The content of result.json of each seed that has one.
        outcomes: The outcomes of all seeds.
    """

    values: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]
    outcomes: Sequence[Outcome]

    @property
    def is_helped(self) -> bool:
        """True if labels helped a run, see `provenance.is_helped`."""
        return any(map(provenance.is_helped, self.results))

    @property
    def shown(self) -> dict[str, Any]:
        """The values, the last of them with a mark if the row is helped."""
        shown = dict(self.values)
        if self.is_helped and shown:
            name, value = shown.popitem()
            shown[name] = f"{value} {provenance.MARK}"
        return shown


def rows_of(runs: Sequence[SweepRun], outcomes: Sequence[Outcome]) -> list[Row]:
    """Groups runs by their combination, in the order of the runs."""
    groups: dict[str, list[tuple[SweepRun, Outcome]]] = {}
    for run, outcome in zip(runs, outcomes, strict=True):
        groups.setdefault(label(run.values), []).append((run, outcome))
    rows = []
    for group in groups.values():
        ends = [outcome for _, outcome in group]
        results = [end.result for end in ends if end.result]
        rows.append(Row(group[0][0].values, results, ends))
    return rows


def lines(rows: Sequence[Row]) -> str:
    """Returns the tables in Markdown, aligned, with the best means in bold.

    The first table also shows the seeds and the minutes. A second table, if
    there is one, shows the figures that need no labels.
    """
    gathered = [gather(row.results) for row in rows]
    shown = metrics.tables(n for figures in gathered for n in figures)
    return "\n".join(
        aligned(_table(rows, gathered, names, whole=not place))
        for place, names in enumerate(shown)
    )


def _table(
    rows: Sequence[Row],
    gathered: Sequence[Mapping[str, Values]],
    names: Sequence[str],
    whole: bool,
) -> list[list[str]]:
    """Returns the cells of a table, the headings first.

    Args:
        rows: The combinations.
        gathered: The figures of each combination, from `gather`.
        names: The names of the figures to show.
        whole: True adds columns of the seeds and the minutes.
    """
    columns = [measure(name) for name in names]
    best = {n: _best_of_each(rows, gathered, n) for n in names}
    table = [[*rows[0].values, *(one.heading for one in columns)]]
    for place, (row, figures) in enumerate(zip(rows, gathered, strict=True)):
        cells = [str(value) for value in row.shown.values()]
        for name, one in zip(names, columns, strict=True):
            text = one.text(figures.get(name, []))
            bold = one.ranked and place in best[name]
            cells.append(f"**{text}**" if bold else text)
        table.append(cells)
    if whole:
        at = len(rows[0].values)
        table[0].insert(at, "seeds")
        table[0].append("minutes")
        for cells, row in zip(table[1:], rows, strict=True):
            cells.insert(at, _seeds(row))
            cells.append(_minutes(row))
    return table


def _seeds(row: Row) -> str:
    text = f"{len(row.results)}/{len(row.outcomes)}"
    alone = row.is_helped and not row.values  # No value carries the mark.
    return f"{text} {provenance.MARK}" if alone else text


def _minutes(row: Row) -> str:
    minutes = [result["seconds"] / 60 for result in row.results]
    return f"{statistics.fmean(minutes):.1f}" if minutes else NONE


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Formats cells as a Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table = [table[0], ["-" * width for width in widths], *table[1:]]
    return "".join(
        f"| {' | '.join(c.ljust(w) for c, w in zip(cells, widths))} |\n"
        for cells in table
    )


def _best_of_each(
    rows: Sequence[Row], gathered: Sequence[Mapping[str, Values]], name: str
) -> list[int]:
    """Returns the best rows of those with a mark, and of those without."""
    found = []
    for helped in (False, True):
        places = [i for i, row in enumerate(rows) if row.is_helped == helped]
        best = _best([gathered[place].get(name, []) for place in places])
        found += [places[i] for i in best]
    return found


def _best(columns: Sequence[Values]) -> list[int]:
    """Returns the indices of the highest mean; [] if all means are equal.

    Only means over the largest number of known values are compared.
    """
    there = [known(values) for values in columns]
    most = max(map(len, there), default=0)
    means = {
        i: statistics.fmean(x)
        for i, x in enumerate(there)
        if x and len(x) == most
    }
    highest = max(means.values(), default=None)
    if len(set(means.values())) < 2:
        return []
    return [i for i, mean in means.items() if mean == highest]


def write(
    directory: pathlib.Path, rows: Sequence[Row], base: RunConfig
) -> None:
    """Writes table.md and table.csv.

    Args:
        directory: The directory of the sweep.
        rows: The combinations, from `rows_of`.
        base: The config of any run of the sweep.
    """
    besides = {*rows[0].values, *command_of(base).own}
    results = [result for row in rows for result in row.results]
    same = "".join(
        f"    --{field.name}={getattr(base, field.name)}\n"
        for field in dataclasses.fields(base)
        if getattr(base, field.name) != field.default
        and field.name not in besides
    )
    text = (
        f"# {directory.name}\n\n{lines(rows)}\n{caption(results)}"
        f"{_failures(rows)}\nThe same in all runs:\n\n{same}"
    )
    atomic_files.write_text(directory / "table.md", text)
    atomic_files.write_text(directory / "table.csv", _csv(rows))


def _failures(rows: Sequence[Row]) -> str:
    notes = [
        f"- {label(row.values)}: {outcome.note}\n"
        for row in rows
        for outcome in row.outcomes
        if outcome.state == "failed"
    ]
    return f"\nFailed:\n\n{''.join(notes)}" if notes else ""


def _csv(rows: Sequence[Row]) -> str:
    """Returns the figures as CSV, with all digits, and each row's seeds."""
    gathered = [gather(row.results) for row in rows]
    shown = metrics.tables(n for figures in gathered for n in figures)
    names = [name for columns in shown for name in columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    pairs = [f"{name}_{what}" for name in names for what in ("mean", "sd")]
    # Only where it is needed, so that other tables keep their columns.
    helped = any(row.is_helped for row in rows)
    told = ["seen_labels"] if helped else []
    writer.writerow([*rows[0].values, "seeds", *told, *pairs])
    for row, figures in zip(rows, gathered, strict=True):
        seeds = " ".join(str(result["seed"]) for result in row.results)
        cells = [
            for_csv(value) if isinstance(value, str) else value
            for value in row.values.values()
        ]
        cells.append(seeds)
        if helped:
            cells.append(str(row.is_helped))
        for name in names:
            cells += mean_deviation(figures.get(name, ()))
        writer.writerow(cells)
    return text.getvalue()
