"""Evaluates rules that select anchors: whose nearest neighbours are right."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.neighbourhoods import mean_or_none
from and_tf.evaluation.selection_rules import by_rules, judge
from and_tf.method.discovery import consistency
from and_tf.pretexts.teacher_rows import unit_norm
from and_tf.protocols.config import Options
from and_tf.protocols.results import Findings
from and_tf.search.nearest import Nearest, nearest
from and_tf.training.run import Run, of_same_images
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

NEAREST = 20  # The number of neighbours over which `right_of_nearest` counts.
SPACES = {
    "bank": "memory bank",
    "clean": "clean embeddings",
    "averaged": "clean and mirrored",
}
RULES = {
    "all": "all",
    "entropy_quarter": "entropy ¼",
    "entropy_half": "entropy ½",
    "similarity_quarter": "similar ¼",
    "similarity_half": "similar ½",
    "mutual": "mutual",
    "mirrored": "mirrored",
    "beside": "other run",
}


def evaluate(run: Run, options: Options) -> Findings:
    """Measures whose nearest neighbours have their class, by several rules.

    The neighbours of each training image are searched among all others, as a
    round does, in the memory bank, among the clean embeddings, and among the
    averages of each image's embedding and its mirror image's.

    Raises:
        InputError: If the training images have no labels, or if the run of
            `selections_beside` has other images.
    """
    labels = _labels(run)
    other = None
    if options.selections_beside:  # Refused before the work begins.
        other = of_same_images(
            options.selections_beside,
            run.images.train,
            "--selections_beside",
            run.data_dir,
        )
    clean = run.train_embeddings
    mirrored = _mirrored(run)
    rows = {"clean": clean, "averaged": unit_norm(clean + mirrored)}
    if run.has_bank:
        rows = {"bank": run.bank_rows()} | rows
    found = {name: _search(run, of, SPACES[name]) for name, of in rows.items()}
    ours = found["clean"].index[:, 0]
    agreed = {"mirrored": _nearest(mirrored, "mirror images") == ours}
    if other is not None:
        agreed["beside"] = _nearest(other.train_embeddings, "other run") == ours
    spaces = {
        name: _figures(searched, agreed, labels)
        for name, searched in found.items()
    }
    figures = {
        "protocol": {
            "neighbours": f"each of {run.images.train.name}, among all others",
            "num_samples": run.images.train.size,
            "temperature": run.config.temperature,
            "nearest": NEAREST,
            "beside": options.selections_beside or None,
        },
        "spaces": spaces,
    }
    return Findings(figures, _text(spaces, run.checkpoint.moment))


def _labels(run: Run) -> np.ndarray:
    train = run.images.train
    if not train.has_labels:
        raise InputError(
            "Expected labels for --protocols=selections, which compares the "
            f"classes of neighbours. Received none in {train.name}."
        )
    return train.labels


def _mirrored(run: Run) -> np.ndarray:
    """Embeds the mirror images of the training images, float32 [N, D]."""
    images = keras.Input(run.encoder.input_shape[1:])
    mirror = keras.Model(images, run.encoder(keras.ops.flip(images, axis=2)))
    train = run.images.train
    with Counted(f"embed mirrored {train.name}", train.size) as progress:
        return embed(mirror, train, run.image_size, progress.advance)


def _search(run: Run, rows: np.ndarray, name: str) -> Nearest:
    count = len(rows)
    with Counted(f"search the {name}", count) as progress:
        return nearest(
            rows,
            rows,
            min(NEAREST, count - 1),
            temperature=run.config.temperature,
            exclude_self=True,
            progress=progress.advance,
        )


def _nearest(rows: np.ndarray, name: str) -> np.ndarray:
    """Returns the nearest neighbour of each of some rows, int32 [N]."""
    with Counted(f"search the {name}", len(rows)) as progress:
        found = nearest(
            rows, rows, 1, exclude_self=True, progress=progress.advance
        )
    return found.index[:, 0]


def _figures(
    found: Nearest, agreed: dict[str, np.ndarray], labels: np.ndarray
) -> dict[str, Any]:
    """Judges all rules in one space."""
    shares = consistency(found.index, labels)
    rules = {
        name: dataclasses.asdict(judge(found.index[:, 0], labels, selected))
        for name, selected in (by_rules(found) | agreed).items()
    }
    return {
        "right_of_nearest": mean_or_none(shares[np.isfinite(shares)]),
        "rules": rules,
    }


def _text(spaces: dict[str, dict[str, Any]], moment: str) -> str:
    """Formats the figures as a table with a line for each space."""
    used = list(next(iter(spaces.values()))["rules"])
    heads = [*(RULES[name] for name in used), f"{NEAREST} nearest"]
    title = f"nearest neighbours that are right, by rule, after {moment}"
    lines = [title, _line(f"{'':18}", heads)]
    for space, of in spaces.items():
        rights = [of["rules"][name]["right"] for name in used]
        cells = [percent(x) for x in (*rights, of["right_of_nearest"])]
        lines.append(_line(f"{SPACES[space]:18}", cells))
        selected = [of["rules"][name]["selected"] for name in used]
        cells = [percent(x) for x in selected]
        lines.append(_line(f"  {'selected':16}", cells))
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return f"  {name}" + "".join(f"{cell:>12}" for cell in cells)
