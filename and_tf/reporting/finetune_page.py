"""Writes the page of a fine-tuning, from the figures of each section.

The text around the figures is in templates/finetuning.html.j2, whose blocks
have the names of the sections.
"""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from and_tf.finetuning.finetuned import Finetuned
from and_tf.finetuning.scoring import LINEAR, NAMES, TUNED
from and_tf.reporting import charts, page
from and_tf.reporting.charts import Chart, Curve
from and_tf.reporting.encoder_sections import MOST_CLASSES, extremes, pairs
from and_tf.reporting.page import Section, bar, number, percent
from and_tf.reporting.pictures import Tile, framed, groups, saved_picture
from and_tf.training.run_directory import versions

SHOWN = 12  # The number of images shown as the best, and as the worst.

Values = dict[str, Any]


def write(found: Finetuned, output: pathlib.Path) -> None:
    """Writes the page of a fine-tuning to a file, see `page.write`."""
    page.write("finetuning.html.j2", found, SECTIONS, output)


def outcome(found: Finetuned) -> Values:
    """Returns the cards, and a row for each classifier that is compared."""
    result = found.result
    rows = []
    for key, name in NAMES.items():
        row = result[key]
        if row is None:
            continue
        top1 = _top1(row)
        epoch = "weights as they were"
        if "epochs" in row:
            epoch = f"{row['best_epoch']} of {row['epochs']}"
        rows.append(
            (
                name,
                percent(row["test_top1"]),
                bar(top1, key != LINEAR),
                percent(row["held_out_top1"]),
                percent(row["ece"]),
                epoch,
            )
        )
    return {"cards": _cards(result), "rows": rows}


def _top1(row: Values) -> float:
    """Returns the test accuracy; without test images, the held-out one."""
    told: float | None = row["test_top1"]
    return row["held_out_top1"] if told is None else told


def _cards(result: Values) -> list[tuple[str, str]]:
    """Returns the main figures, each with its name."""
    tuned = result[TUNED]
    of = "held-out" if tuned["test_top1"] is None else "test"
    cards = [
        (percent(_top1(result[key])), f"{of} top-1, {name}")
        for key, name in sorted(NAMES.items(), key=lambda one: one[0] != TUNED)
        if result[key]
    ]
    if tuned["ece"] is not None:
        cards.append((percent(tuned["ece"]), "expected calibration error"))
    return [*cards, (number(result["labels"]["used"]), "labels used")]


def curves(found: Finetuned) -> Values:
    """Returns charts of accuracies, losses and the learning rate."""
    linear = {NAMES[LINEAR]: found.result[LINEAR]["held_out_top1"]}
    top1: charts.Quantities = {
        "held_out_top1": ("held-out", "blue"),
        "accuracy": ("training", "ink"),
    }
    losses: charts.Quantities = {
        "held_out_loss": ("held-out", "orange"),
        "loss": ("training", "ink"),
    }
    rate: charts.Quantities = {"learning_rate": ("", "green")}
    history = found.history
    drawn = (
        charts.of_history(
            history, "Top-1, %", top1, in_percent=True, bases=linear
        ),
        charts.of_history(history, "Loss", losses),
        charts.of_history(history, "Learning rate", rate, from_zero=True),
    )
    return {"charts": list(itertools.chain(*drawn))}


def confusion(found: Finetuned) -> Values:
    """Returns the confusion matrix, and the most confused pairs of classes.

    With many classes, the best and worst classes replace the matrix.
    """
    if found.result["confusion"] is None:
        return {}
    counts = np.array(found.result["confusion"])
    names = list(found.class_names)
    values: Values = {"names": names, "pairs": list(pairs(counts, names))}
    if len(counts) <= MOST_CLASSES:
        return values | {"counts": counts.tolist()}
    picture = saved_picture(found.directory.confusion)
    return (
        values | {"counts": None, "picture": picture} | extremes(counts, names)
    )


def calibration(found: Finetuned) -> Values:
    """Returns a chart and a table of how often answers are right."""
    # Results of older versions have none.
    told = found.result.get("reliability")
    if not told:
        return {"charts": [], "rows": []}
    return {
        "charts": list(_reliability(told)),
        "rows": [
            (f"{low:.0%} to {high:.0%}", number(n), percent(sure), percent(top))
            for low, high, n, sure, top in _bins(told["after"])
            if n
        ],
    }


def _bins(told: Values) -> Iterator[tuple]:
    """Yields the edges of each bin, and what is told of it."""
    edges = np.linspace(0, 1, len(told["count"]) + 1).tolist()
    columns = told["count"], told["confidence"], told["accuracy"]
    yield from zip(edges, edges[1:], *columns, strict=False)


def _reliability(told: Values) -> Iterator[Chart]:
    """Yields a chart of accuracy by confidence, and the line of equals."""
    ends = np.array([0.0, 100.0])
    drawn = [Curve("calibrated", "quiet", ends, ends, " ")]
    for key, name, colour in (
        ("before", "before", "orange"),
        ("after", "after", "blue"),
    ):
        x, y = (
            100 * np.array(told[key][part], np.float64)  # None is NaN.
            for part in ("confidence", "accuracy")
        )
        known = np.isfinite(x) & np.isfinite(y)
        if known.any():
            drawn.append(Curve(name, colour, x[known], y[known]))
    yield Chart(
        "Answers that are right, %",
        "probability that they are given, %",
        drawn,
        extent=(0.0, 100.0),
        from_zero=True,
    )


def learnt(found: Finetuned) -> Values:
    """Returns what learnt, from which labels, and which labels came before."""
    result = found.result
    run, labels = result["run"], result["labels"]
    protocol = result["protocol"]
    return {
        "run": run,
        "labels": labels,
        "learnt": [
            (NAMES[key], protocol[key]) for key in NAMES if result[key]
        ],
        "chosen": [
            ("labels in use", protocol["labels_drawn"]),
            ("held-out images", protocol["chosen_by_held_out"]),
            ("test images", protocol["chosen_by_test"]),
        ],
        "others": [
            (name, number(labels[key]))
            for name, key in (
                ("with a label", "available"),
                ("in use", "used"),
                ("learnt from", "learnt_from"),
                ("held out", "held_out"),
                ("test images", "test"),
                ("test images of other classes, left out",
                 "test_of_other_classes"),
            )
        ],
    }  # fmt: skip


def samples(found: Finetuned) -> Values | None:
    """Returns the test images that are most surely right and wrong.

    The classifier is applied to all test images for this. Without labelled
    test images the result is None.
    """
    if found.result["confusion"] is None:
        return None
    probabilities = found.probabilities
    if probabilities is None or found.test is None:
        return {"parts": None}
    sure, answers = probabilities.max(1), probabilities.argmax(1)
    right = answers == found.test.labels
    return {
        "parts": [
            (title, groups([_tiles(found, answers, sure, chosen)]))
            for title, mask in (
                ("Most surely right", right),
                ("Most surely wrong", ~right),
            )
            if len(chosen := _surest(sure, mask))
        ]
    }


def _surest(sure: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the images of a mask with the highest probabilities, int64."""
    among = np.flatnonzero(mask)
    return among[np.argsort(-sure[among], kind="stable")][:SHOWN]


def _tiles(
    found: Finetuned, answers: np.ndarray, sure: np.ndarray, chosen: np.ndarray
) -> list[Tile]:
    """Returns tiles of images, framed by whether their answers are right."""
    assert found.test is not None  # The caller has asked.
    tiles = []
    for image in chosen.tolist():
        answer = int(answers[image])
        said = f"as {found.class_names[answer]}", percent(sure[image], 0)
        tiles.append(framed(Tile(found.test, image, lines=said), answer))
    return tiles


def reproduction(found: Finetuned) -> Values:
    """Returns the command and versions to repeat the fine-tuning with."""
    run = found.result["run"]
    rows = [
        ("seed", str(found.result["seed"])),
        ("encoder's checkpoint", run["checkpoint"]),
        ("encoder's weights, SHA-256", run["encoder_sha256"][:16]),
        ("page written with", f"tensorflow {versions()['tensorflow']}"),
    ]
    rows += [
        (f"fine-tuned with {k}", v) for k, v in found.result["versions"].items()
    ]
    return {
        "command": page.config_command("finetune", found.config),
        "rows": rows,
    }


# The sections are in the order in which a reader needs them.
SECTIONS = (
    Section("outcome", "How it ended", outcome),
    Section("learnt", "What learnt, and from which labels", learnt),
    Section("curves", "Curves", curves),
    Section("confusion", "Confusion", confusion),
    Section("calibration", "Calibration", calibration),
    Section("samples", "Most surely right and wrong", samples),
    Section("reproduction", "How to run it again", reproduction),
)
