"""Writes the page of a run, from the figures of each section.

The text around the figures is in templates/run.html.j2, whose blocks have the
names of the sections.
"""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

from and_tf import protocols
from and_tf.figures.panels import spans_of
from and_tf.protocols.embedding import PICTURE
from and_tf.reporting import charts, encoder_sections, page
from and_tf.reporting.charts import Band
from and_tf.reporting.page import UNKNOWN, Section, bar, number, percent
from and_tf.reporting.pictures import saved_picture
from and_tf.training.result_file import WHITENED
from and_tf.training.run import Run
from and_tf.training.run_directory import versions
from and_tf.utils.errors import InputError

# Protocols that need no choice from a user. Linear classifiers take long, and
# are shown only if a user evaluated them.
SHOWN = ("neighbourhoods", "embedding", "attention")
SHOWN_UNTRAINED = ("neighbourhoods", "embedding", "kmeans")
KMEANS = {
    "acc": "ACC",
    "nmi": "NMI",
    "ari": "ARI",
    "acc_top5": "ACC top-5",
    "acc_majority": "many clusters to one class",
}

Values = dict[str, Any]


def write(run: Run, output: pathlib.Path) -> None:
    """Writes the page of a run to a file, see `page.write`."""
    page.write("run.html.j2", run, SECTIONS, output)


def outcome(run: Run) -> Values:
    """Returns the cards, a table of baselines and rounds, and its notes."""
    supervised = run.config.pretext == "supervised"
    of_bank = [row.get("knn_bank", 0.0) for row in run.history]
    return {
        "cards": _cards(run),
        "rounds": list(_rounds(run)),
        "teacher": run.teacher,
        "uses_labels": (run.result or {}).get("uses_labels", supervised),
        "has_consistency": any("consistency" in row for row in run.history),
        "best": max(of_bank, default=0.0),
    }


def _cards(run: Run) -> list[tuple[str, str]]:
    """Returns the main figures, each with its name, and the baselines."""
    cards = []
    top1, epochs = _last_top1(run)
    if run.start_top1 is not None:
        cards.append((percent(run.start_top1), "kNN top-1, without training"))
        cards += _neighbours(run)
    elif top1 is not None:
        is_last = epochs == run.epochs_planned
        when = "last epoch" if is_last else f"epoch {epochs}"
        cards.append((percent(top1), f"kNN top-1, {when}, clean gallery"))
    if run.votes is not None and (run.epochs, run.step) != (epochs, 0):
        text = f"kNN top-1 of the checkpoint shown, after {run.moment}"
        cards.append((percent(run.votes.top1), text))
    # The head with which a run without epochs ends has the first card.
    own = f"{run.config.resolved.head} head" if not run.epochs_planned else ""
    cards += [
        (percent(share), name)
        for name, share in run.baselines.items()
        if name != own
    ]
    if not cards:
        cards.append((number(run.num_examples), "images learnt from"))
        if run.epochs_planned:
            cards.append((f"{len(run.history)}", "epochs"))
        if run.history and "loss" in run.history[-1]:
            cards.append((f"{run.history[-1]['loss']:.3f}", "loss, last epoch"))
    return cards


def _neighbours(run: Run) -> list[tuple[str, str]]:
    """Returns how good the neighbours of a run without epochs are."""
    found = (run.result or {}).get("neighbours") or {}
    if found.get("consistency") is None:
        return []
    text = f"of the {found['k']} nearest images have an image's class"
    return [(percent(found["consistency"]), text)]


def _last_top1(run: Run) -> tuple[float | None, int]:
    """Returns the last kNN top-1 with the clean gallery, and its epochs.

    Returns:
        The accuracy as a fraction, or None, and the number of epochs after
        which it was measured.
    """
    for row in reversed(run.history):
        if "knn_clean" in row:
            return row["knn_clean"], row["epoch"] + 1
    return None, 0


def _rounds(run: Run) -> Iterator[tuple]:
    """Yields a row per baseline, and a row per round, of its last epoch."""
    for name, top1 in run.baselines.items():
        yield name, percent(top1), bar(top1, False), UNKNOWN, UNKNOWN
    for row in {row.get("round"): row for row in run.history}.values():
        anchors = row.get("anchors")
        share = row.get("knn_learnt", row.get("knn_clean"))
        yield (
            _learning(run, row.get("round")),
            percent(share),
            bar(share, True),
            number(anchors or None),
            percent(row.get("consistency")),
        )
    if run.history and "knn_learnt" in (last := run.history[-1]):
        share = last.get("knn_clean")
        yield WHITENED, percent(share), bar(share, True), UNKNOWN, UNKNOWN


def _learning(run: Run, round_number: int | None) -> str:
    """Returns the name of a round, or of the pretext if it has no rounds."""
    if round_number is None:
        return run.config.pretext
    return f"round {round_number}" if round_number else "instance learning"


def curves(run: Run) -> Values | None:
    """Returns charts of kNN, loss, consistency and learning rate.

    The result is None for a run without epochs.
    """
    if not run.epochs_planned:
        return None
    knn = {
        "knn_clean": ("clean gallery", "blue"),
        "knn_bank": ("memory bank", "orange"),
    }
    consistency = {
        "consistency": ("of anchors", "green"),
        "consistency_all": ("of all images", "sky"),
    }
    loss = {
        "loss": ("", "ink"),
        "and_loss": ("AND's own", "blue"),
        "teacher_loss": ("the teacher's", "green"),
    }
    rate = {"learning_rate": ("", "purple")}
    cosine = {"cosine": ("", "green")}
    shares = {"in_percent": True}
    steps = {"steps": True}
    wanted: list[tuple[str, charts.Quantities, Values]] = [
        ("kNN top-1, %", knn, shares | {"bases": run.baselines}),
        ("Loss", loss, {}),
        ("Cosine with the teacher", cosine, {}),
        ("Consistency of neighbourhoods, %", consistency, shares | steps),
        ("Learning rate", rate, steps),
    ]
    bands = _bands(run)
    drawn = (
        charts.of_history(run.history, title, of, bands=bands, **options)
        for title, of, options in wanted
    )
    return {"charts": list(itertools.chain(*drawn))}


def _bands(run: Run) -> list[Band]:
    """Returns the rounds as ranges of epochs; empty if there are no rounds."""
    if not run.config.has_bank:
        return []
    bands = []
    for span in spans_of(run.history):
        name = f"round {span.round}" if span.round else "instance"
        bands.append(Band((name, f"{span.round}"), span.begin, span.end))
    return bands


def attention(run: Run) -> Values | None:
    """Returns the protocol's picture; None for a run without a memory bank.

    It is None as well for a run without epochs, whose images lie exactly where
    their rows in the bank do, so that nothing pulls them.
    """
    if not run.config.has_bank or not run.epochs_planned:
        return None
    return {"picture": saved_picture(run.picture("attention"))}


def embedding(run: Run) -> Values:
    """Returns the figures of the protocol and its map."""
    figures = run.evaluation("embedding")
    if figures is None:
        return {"figures": None}
    cosines = [
        (f"mean cosine {where} classes", f"{cosine:.3f}".replace("-", "−"))
        for where in ("within", "between")
        if (cosine := figures[f"cosine_{where}_classes"]) is not None
    ]
    picture = saved_picture(run.picture(PICTURE))
    return {"figures": figures, "cosines": cosines, "picture": picture}


def linear(run: Run) -> Values | None:
    """Returns a row per layer; None if nothing is known without labels."""
    figures = run.evaluation("linear")
    if figures is None:
        return {"figures": None} if run.has_labels else None
    rows = [
        (
            layer["layer"],
            "×".join(map(str, layer["shape"])),
            number(layer["features"]),
            percent(layer["sgd_top1"]),
            percent(layer["ridge_top1"]),
        )
        for layer in figures["layers"]
    ]
    return {"figures": figures, "rows": rows}


def knn(run: Run) -> Values | None:
    """Returns a row per gallery; None if kNN was not evaluated."""
    figures = run.evaluation("knn")
    if figures is None:
        return None
    names = {"clean": "clean embeddings", "bank": "memory bank"}
    kinds = ("top1", "top5", "nearest")
    rows = [
        (name, *(percent(figures[f"{key}_{kind}"]) for kind in kinds))
        for key, name in names.items()
        if f"{key}_top1" in figures
    ]
    return {"figures": figures, "rows": rows}


def kmeans(run: Run) -> Values | None:
    """Returns a row per figure; None if k-means was not evaluated."""
    figures = run.evaluation("kmeans")
    if figures is None:
        return None
    rows = []
    for key, name in KMEANS.items():
        if figures.get(key) is not None:
            deviation = figures.get(f"{key}_std")
            rows.append((name, percent(figures[key], deviation=deviation)))
    if figures["silhouette"] is not None:
        rows.append(("silhouette", f"{figures['silhouette']:.3f}"))
    sizes = figures["cluster_sizes"]
    rows.append(("largest cluster", percent(max(sizes) / sum(sizes))))
    return {"figures": figures, "rows": rows}


def reproduction(run: Run) -> Values:
    """Returns the command and versions to repeat the run with."""
    rows = [("seed", str(run.config.seed))]
    if run.kept:
        rows.append(("checkpoint", run.kept.path.name))
        mark = run.kept.metadata.get("data")
        if mark:
            rows.append(("data, SHA-256 of names and classes", mark[:16]))
    rows.append(("page written with", f"tensorflow {versions()['tensorflow']}"))
    trained_with = (run.result or {}).get("versions", {})
    rows += [(f"trained with {k}", v) for k, v in trained_with.items()]
    return {
        "command": page.config_command("train", run.config),
        "rows": rows,
    }


def complete(run: Run) -> None:
    """Evaluates the protocols that are shown and that this checkpoint lacks.

    A protocol whose inputs are missing, such as a round, is left out, and a
    line says so.

    Args:
        run: A run with its data, whose checkpoint may be evaluated.
    """
    for name in SHOWN if run.epochs_planned else SHOWN_UNTRAINED:
        if run.moment_of(name) == run.moment:
            continue
        print(f"evaluating {name}", flush=True)
        try:
            protocols.evaluate(run, [name])
        except InputError as error:
            print(f"  left out: {error}")


# The sections are in the order in which a reader needs them.
SECTIONS = (
    Section("outcome", "How it ended", outcome),
    Section("curves", "Curves", curves),
    Section(
        "neighbourhoods", "Neighbourhoods", encoder_sections.neighbourhoods
    ),
    Section("confusion", "Confusion", encoder_sections.confusion),
    Section("samples", "Best and worst", encoder_sections.samples),
    Section("attention", "Attention", attention),
    Section("embedding", "Embedding", embedding),
    Section("linear", "Linear classifiers", linear),
    Section("knn", "Weighted kNN", knn),
    Section("kmeans", "k-means", kmeans),
    Section("reproduction", "How to run it again", reproduction),
)
