"""Write benchmarks/RESULTS.md: what was published, and what was had here."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

from and_tf.sweeping.metrics import (
    HOW_TO_READ,
    LABELS_USED,
    LINEAR,
    measure,
    percent,
    tables,
)
from and_tf.sweeping.table import aligned
from and_tf.utils import provenance
from and_tf.utils.averages import with_deviation
from benchmarks.harness.tables import mean_minutes, mean_rate

INTRODUCTION = """\
# Results

Written by `python -m benchmarks.results` from `benchmarks/results/*.json` and
`benchmarks/paper_rows.json`; a test holds it to them.

Accuracies are in percent, with ± a sample's standard deviation over seeds
where there are several. *Last epoch, clean* is kNN after the last epoch with
the training images' own embeddings as gallery. *Best epoch, bank* is the
authors' protocol: the best epoch on the test split, the memory bank as gallery;
published figures are of this kind, and stand beside ours of this kind. *ACC*,
*NMI* and *ARI* are of clusters, matched to classes on the split that they are
counted on. SCAN's published figures start from SimCLR's
features, ours from this project's.
"""

Rows = Sequence[Mapping[str, Any]]
Files = Mapping[str, Mapping[str, Any]]


def render(rows: Rows, files: Files) -> str:
    """Write the whole page.

    Args:
        rows: The rows of the paper, from paper_rows.json.
        files: From `result_files.read_all`.
    """
    parts = [INTRODUCTION, "## Had here\n"]
    parts += [section(name, file, rows) for name, file in files.items()]
    parts += ["## Published\n", published(rows, files)]
    parts.append(_commands(rows))
    return "\n".join(parts)


def published(rows: Rows, files: Files) -> str:
    """Write the paper's rows, each with ours or why there is none."""
    table = [["", "row", "measure", "published", "here"]]
    for row in rows:
        figure = row["published"]
        text = figure
        if not isinstance(figure, str):
            text = with_deviation(figure, row.get("deviation"), 1)
        place = [row["where"], row["what"], row["measure"]]
        table.append([*place, text, _here(row, files)])
    shown = {row["id"] for row in rows}
    taken = [
        one
        for file in files.values()
        for one in file["rows"]
        if shown & {*one.get("reproduces", ())}
    ]
    return aligned(table) + _footnote(taken)


def _footnote(rows: Rows) -> str:
    """Explain the marks of rows; "" where none has one."""
    note = provenance.footnote(rows)
    return f"\n{note}" if note else ""


def _mark(row: Mapping[str, Any]) -> str:
    """Return the mark of a row whose first weights have seen labels."""
    helped = provenance.is_helped(row)
    return f" {provenance.MARK}" if helped else ""


def _here(row: Mapping[str, Any], files: Files) -> str:
    for name, file in files.items():
        for one in file["rows"]:
            if row["id"] in one.get("reproduces", ()):
                told = _precision(file)
                place = f"`{name}`, {told}" if told else f"`{name}`"
                figure = percent(one["figures"][row["figure"]])
                return f"{figure}{_mark(one)} ({place})"
    beside = [
        f"`{n}`" for n, file in files.items() if row["id"] in file["about"]
    ]
    if beside:
        return f"{row['missing']}; beside it: {', '.join(beside)}"
    return row["missing"]


def section(name: str, file: Mapping[str, Any], rows: Rows) -> str:
    """Write what one result file tells.

    Args:
        name: The file's name.
        file: Its content.
        rows: Rows of the paper, of which it names those that it is told by.
    """
    told = ""
    for words, ids in (
        ("Told beside", file["about"]),
        ("The recipe of", file["reproduces"]),
    ):
        shown = "; ".join(_published(row) for row in rows if row["id"] in ids)
        told += f"{words} {shown}.\n\n" if shown else ""
    return (
        f"### {file['title']}\n\n{told}```\n{file['command']}\n```\n\n"
        f"{_figures(file)}\n{_linear(file)}{_baselines(file)}"
        f"{_protocol(file)}\n{_seen(file)}{_circumstances(name, file)}"
    )


def _published(row: Mapping[str, Any]) -> str:
    """Write a row of the paper with its figure."""
    place = f"{row['where']}, {row['what']}, {row['measure']}"
    return f"{place}: {row['published']}"


def _figures(file: Mapping[str, Any]) -> str:
    """Write what labels tell, and of clusterings what is told without."""
    rows = file["rows"]
    shown = tables(name for row in rows for name in row["figures"])
    whole = [_table(file, names) for names in shown]
    # The second table need not say again how many and how long.
    besides = len(file["varied"]), -1
    for table in whole[1:]:
        for cells in table:
            for place in reversed(besides):
                del cells[place]
    return "\n".join(map(aligned, whole)) + _footnote(rows)


def _table(file: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    columns = [measure(name) for name in names]
    heads = [one.heading for one in columns]
    # Of clusterings it would be the speed of one of their stages.
    rates = [mean_rate(r.get("images_per_second", ())) for r in file["rows"]]
    timed = "of" not in file and any(rates)
    last = ["images/s", "minutes"] if timed else ["minutes"]
    table = [[*file["varied"], "seeds", *heads, *last]]
    for row, rate in zip(file["rows"], rates, strict=True):
        # The last value carries the mark, or the seeds where nothing varies.
        cells = [str(row["values"][name]) for name in file["varied"]]
        seeds = str(len(row["seeds"]))
        if cells:
            cells[-1] += _mark(row)
        else:
            seeds += _mark(row)
        cells.append(seeds)
        for name, one in zip(names, columns, strict=True):
            cells.append(one.text(row["figures"].get(name, [])))
        if timed:
            cells.append(rate)
        cells.append(mean_minutes(row["seconds"]))
        table.append(cells)
    return table


def _linear(file: Mapping[str, Any]) -> str:
    """Write a line a row whose layers have a linear classifier."""
    lines = []
    for row in file["rows"]:
        layers = [
            f"{name.removeprefix(LINEAR)} {percent(values)}"
            for name, values in row["figures"].items()
            if name.startswith(LINEAR)
        ]
        values = ", ".join(f"{k} {v}" for k, v in row["values"].items())
        of = f" ({values})" if values else ""
        if layers:
            lines.append(f"Linear, SGD{of}: {', '.join(layers)}.\n")
    return "".join(lines)


def _baselines(file: Mapping[str, Any]) -> str:
    told = [
        # Of pixels, which no seed changes, without a deviation.
        f"{name} {percent(values if len(set(values)) > 1 else values[:1])}"
        for name, values in file["baselines"].items()
    ]
    return f"Without training: {', '.join(told)}.\n" if told else ""


def _protocol(file: Mapping[str, Any]) -> str:
    protocol = file["protocol"]
    if not protocol:
        return f"No labels, so no accuracies.\n{_clustered(file)}"
    if "matched_on" in protocol:
        return (
            f"Clusters matched on {protocol['matched_on']}, "
            f"{protocol['num_queries']:,} images.\n{_clustered(file)}"
        )
    return (
        f"{protocol['classifier']} top-1, K = {protocol['K']}, "
        f"τ = {protocol['temperature']:g}, queries {protocol['queries']}.\n"
    )


def _clustered(file: Mapping[str, Any]) -> str:
    """Write which runs were clustered, and whether labels helped."""
    told = "".join(
        f"On an encoder ({one['pretext']}, {one['epochs']} epochs)"
        + (f" of\n`{one['command']}`.\n" if one["command"] else ".\n")
        for one in file.get("of", ())
    )
    if file.get("uses_labels"):
        told += LABELS_USED
    return told and f"{told}\n{HOW_TO_READ}"


def _seen(file: Mapping[str, Any]) -> str:
    """Write what whoever took the figures in has to say of them."""
    return f"{file['note']}\n\n" if file.get("note") else ""


def _circumstances(name: str, file: Mapping[str, Any]) -> str:
    """Write the data, the network, the machine and the day."""
    devices = "; ".join(map(_device, file["machines"]))
    parts = [
        _text(file, "num_examples", "{:,} images"),
        _text(file, "image_size", "{} pixels a side"),
        _text(file, "backbone", "`{}`"),
        _text(file, "epochs", "{} epochs"),
        _precision(file),
        devices,
        f"TensorFlow {file['versions']['tensorflow']}",
        file["date"],
    ]
    return f"{', '.join(filter(None, parts))} (`results/{name}.json`).\n"


def _text(file: Mapping[str, Any], name: str, form: str) -> str:
    """Write what all runs have in common; "" where they differ in it."""
    return "" if file[name] is None else form.format(file[name])


def _precision(file: Mapping[str, Any]) -> str:
    """Return the number format of runs, where it is not the usual one."""
    precision = file.get("precision")
    return "" if precision in (None, "float32") else precision


def _device(machine: Mapping[str, Any]) -> str:
    text = f"{machine['cpus']} CPU cores ({machine['processor']})"
    if not machine["gpus"]:
        return text
    names = machine.get("gpu_names", [])
    # Cards of one model together: "8 × NVIDIA L4".
    cards = [
        f"{count} × {name}" if count > 1 else name
        for name, count in collections.Counter(names).items()
    ]
    return f"{', '.join(cards) or str(machine['gpus']) + ' GPU'}, {text}"


def _commands(rows: Rows) -> str:
    """Write the command of each row, those with the same one together."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row["command"]:
            text = f"{row['where']}, {row['what']}"
            command = row["command"]
            if "on" in row:
                command = f"{row['on']}`, then\n  `{command}"
            places = groups.setdefault(command, [])
            if text not in places:
                places.append(text)
    told = [f"- {'; '.join(p)}:\n  `{c}`\n" for c, p in groups.items()]
    return "## The published rows' commands\n\n" + "".join(told)
