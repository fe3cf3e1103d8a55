"""Evaluates the neighbourhoods of all rounds, as in Figure 6 of the paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from and_tf import figures as drawing
from and_tf.evaluation.neighbourhoods import (
    Agreement,
    agreement,
    anchors_kept,
    binned_consistency,
    mean_or_none,
    neighbours_kept,
    neighbours_pull,
)
from and_tf.figures.round_consistency import Round
from and_tf.method.discovery import Neighbourhoods
from and_tf.protocols.config import Options
from and_tf.protocols.results import Findings
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError

PICTURE = "consistency"


def evaluate(run: Run, options: Options) -> Findings:
    """Counts anchors and, with labels, consistent neighbourhoods.

    It reads the neighbourhoods that the run wrote in its rounds. The encoder
    is used only to measure how much the anchors of its checkpoint are pulled
    by their neighbours.

    Raises:
        InputError: If the run has no round, or a file of a round is damaged.
    """
    del options
    train = run.images.train
    labels = train.labels
    if labels is not None and not (labels >= 0).any():
        labels = None
    rounds = read_rounds(run.directory, train.size)
    rows = [
        describe(found, labels, before)
        for found, before in zip(rounds, [None, *rounds], strict=False)
    ]
    figures: dict[str, Any] = {
        "protocol": {
            "neighbourhoods": "of the memory bank, as each round found them",
            "k": int(rounds[0].neighbours.shape[1]),
            "labels": f"of {train.name}" if labels is not None else None,
            "num_samples": train.size,
            "consistent": "an anchor whose labelled neighbours all have its "
            "label",
            "neighbours_pull": "p̃ of equation 10, summed over an anchor's "
            "neighbours, mean over anchors; clean embeddings, checkpoint's "
            "bank and neighbours",
        },
        "rounds": rows,
        "neighbours_pull": _pull(run),
    }
    pictures = {}
    if labels is not None:
        figures["consistency_by_entropy"] = {
            str(found.round): [
                None if np.isnan(share) else float(share)
                for share in binned_consistency(found, labels)
            ]
            for found in rounds
        }
        pictures[PICTURE] = _picture(run, rounds, rows, labels)
    text = _table(rows)
    if figures["neighbours_pull"] is not None:
        text += (
            "\n  of what pulls an anchor, its neighbours have "
            f"{percent(figures['neighbours_pull'])}, its own row the rest"
        )
    return Findings(figures, text, pictures)


def round_name(number: int) -> str:
    """Returns the name of a round; of round 0, which a run without epochs has.

    Its neighbours are those of the encoder as it began.
    """
    return f"round {number}" if number else "start"


def read_rounds(directory: RunDirectory, size: int) -> list[Neighbourhoods]:
    """Reads the neighbourhoods of all rounds of a run, in order.

    Args:
        directory: The directory of the run.
        size: The number N of its training images.

    Raises:
        InputError: If there is no round, or if a round's file is damaged or
            belongs to other images.
    """
    rounds = []
    # If a round is missing, the next one is compared with the last one found.
    for number in directory.discoveries():
        found = directory.read_neighbourhoods(number)
        if len(found.neighbours) != size:
            raise InputError(
                f"Expected neighbourhoods of {size:,} images in "
                f"{directory.neighbourhoods}. Received: "
                f"{len(found.neighbours):,} in round {number}. The file "
                "belongs to other data."
            )
        rounds.append(found)
    if not rounds:
        raise InputError(
            "Expected at least one round for --protocols=neighbourhoods. "
            f"Received none in {directory.neighbourhoods}: the run has not "
            "begun a round yet, or its --pretext has no rounds."
        )
    return rounds


def describe(
    found: Neighbourhoods,
    labels: np.ndarray | None,
    before: Neighbourhoods | None,
) -> dict[str, Any]:
    """Computes the figures of a round.

    Args:
        found: The neighbourhoods of the round.
        labels: int64 [N], −1 where unknown; None without labels.
        before: The neighbourhoods of the previous round, None for the first.
    """
    row: dict[str, Any] = {
        "round": found.round,
        "anchors": int(found.is_anchor.sum()),
    }
    agree = Agreement(0, 0, None, None)
    if labels is not None:
        agree = agreement(found, labels)
    known = labels is not None
    row["consistent"] = agree.consistent if known else None
    row["inconsistent"] = agree.inconsistent if known else None
    row["consistency"] = agree.consistency
    row["consistency_all"] = agree.consistency_all
    row["anchors_kept"] = row["neighbours_kept"] = None
    if before is not None:
        row["anchors_kept"] = anchors_kept(before.is_anchor, found.is_anchor)
        row["neighbours_kept"] = neighbours_kept(
            before.neighbours, found.neighbours
        )
    return row


def _pull(run: Run) -> float | None:
    """Computes the mean `neighbours_pull` of anchors; None without anchors."""
    if not run.has_bank:
        return None
    rows, neighbours, is_anchor = (
        run.checkpoint.array("method", name)
        for name in ("rows", "neighbours", "selected")
    )
    if not is_anchor.any():
        return None
    pull = neighbours_pull(
        run.train_embeddings, rows, neighbours, run.config.temperature
    )
    return mean_or_none(pull[is_anchor])


def _picture(
    run: Run,
    rounds: list[Neighbourhoods],
    rows: list[dict[str, Any]],
    labels: np.ndarray,
) -> np.ndarray:
    counts = np.bincount(labels[labels >= 0])
    return drawing.consistency_array(
        [
            Round(
                found.round,
                binned_consistency(found, labels),
                row["anchors"] / len(labels),
                row["consistent"],
                row["inconsistent"],
            )
            for found, row in zip(rounds, rows, strict=True)
        ],
        chance=float(((counts / counts.sum()) ** 2).sum()),
        neighbours=rounds[0].neighbours.shape[1],
        title=f"neighbourhoods of {run.config.encoder} on {run.config.dataset}",
    )


def _table(rows: list[dict[str, Any]]) -> str:
    """Formats the figures as a table with a line for each round.

    Unknown figures are left empty.
    """

    def count(value: int | None) -> str:
        return "" if value is None else f"{value:,}"

    names = "anchors", "consistent", "inconsistent", "consistency"
    heads = (*names, "anchors kept", "neighbours kept")
    lines = ["neighbourhoods", f"  {'':9}" + "".join(f"{h:>16}" for h in heads)]
    for row in rows:
        cells = (
            *(count(row[name]) for name in names[:3]),
            *(
                percent(row[name])
                for name in ("consistency", "anchors_kept", "neighbours_kept")
            ),
        )
        line = f"  {round_name(row['round']):9}"
        lines.append((line + "".join(f"{c:>16}" for c in cells)).rstrip())
    lines.append("  kept: share of those of the round before")
    return "\n".join(lines)
