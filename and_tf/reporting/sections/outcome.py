"""How a run ended: its headline figures, round by round, and its facts."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from and_tf.reporting import markup
from and_tf.reporting.markup import (
    UNKNOWN,
    Html,
    bar,
    element,
    facts,
    join,
    known_columns,
    note,
    number,
    paragraph,
    percent,
    table,
)
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section
from and_tf.utils.progress import duration


def section(run: ReportedRun) -> Section:
    """Cards, a table of baselines and rounds, and what was run."""
    parts = [_pretext(run), _cards(run), _rounds(run)]
    parts += [_reading(run)] if run.has_labels else []
    return Section("outcome", "How it ended", join(*parts, facts(_named(run))))


def pretext_of(run: ReportedRun) -> str:
    """What the encoder was trained by, and whether labels taught it."""
    note = ", with labels" if uses_labels(run) else ", without labels"
    return run.config.pretext + note


def uses_labels(run: ReportedRun) -> bool:
    """Whether labels taught the encoder, as result.json has it."""
    supervised = run.config.pretext == "supervised"
    return (run.result or {}).get("uses_labels", supervised)


def _pretext(run: ReportedRun) -> Html:
    """Notice shown when the run was not trained with AND; otherwise empty."""
    name = run.config.pretext
    if name == "and":
        return join()
    if uses_labels(run):
        return note(
            f"This encoder was trained by --pretext={name}, with the labels: "
            "its figures say what labels give, and are not to be compared "
            "with those of encoders that learnt without."
        )
    return paragraph(
        f"This encoder was trained by --pretext={name}, not by neighbourhood "
        "discovery; no label was used."
    )


def rounds_of(run: ReportedRun) -> list[dict[str, Any]]:
    """The last row of each round's epochs, in order."""
    return list({row.get("round"): row for row in run.history}.values())


def last_top1(run: ReportedRun) -> tuple[float | None, int]:
    """The newest kNN top-1 with the clean gallery, after how many epochs."""
    for row in reversed(run.history):
        if "knn_clean" in row:
            return row["knn_clean"], row["epoch"] + 1
    return None, 0


def _cards(run: ReportedRun) -> Html:
    """The headline: the last figure beside what it has to beat."""
    top1, epochs = last_top1(run)
    cards = []
    if top1 is not None:
        when = (
            "last epoch" if epochs == run.epochs_planned else f"epoch {epochs}"
        )
        cards.append((percent(top1), f"kNN top-1, {when}, clean gallery"))
    if run.votes is not None and (run.epochs, run.step) != (epochs, 0):
        text = f"kNN top-1 of the checkpoint shown, after {run.moment}"
        cards.append((percent(run.votes.top1), text))
    cards += [(percent(share), name) for name, share in run.baselines.items()]
    if not cards:
        cards.append((number(run.num_examples), "images learnt from"))
        cards.append((f"{len(run.history)}", "epochs"))
        if run.history and "loss" in run.history[-1]:
            cards.append((f"{run.history[-1]['loss']:.3f}", "loss, last epoch"))
    return markup.cards(cards)


def _rounds(run: ReportedRun) -> Html:
    """Baselines and rounds under one another."""
    rows = [
        (name, percent(share), bar(share, False), UNKNOWN, UNKNOWN)
        for name, share in run.baselines.items()
    ]
    for row in rounds_of(run):
        named = _learning(run, row.get("round"))
        share, anchors = row.get("knn_clean"), row.get("anchors")
        rows.append(
            (
                named,
                percent(share),
                bar(share, True),
                number(anchors or None),
                percent(row.get("consistency")),
            )
        )
    caption = "The rounds and their anchors"
    if run.has_labels:
        when = (
            "at the end of each round" if run.config.has_bank else "at the end"
        )
        caption = f"kNN top-1 {when}, and before the first step"
    head = ("", "kNN top-1", "of 100 %", "anchors", "consistency")
    return table(caption, *known_columns(head, rows))


def _learning(run: ReportedRun, round_number: int | None) -> str:
    """What was trained at the time: a pretext without rounds is its name."""
    if round_number is None:
        return run.config.pretext
    return f"round {round_number}" if round_number else "instance learning"


def _reading(run: ReportedRun) -> Html:
    """What the figures have to be read with."""
    protocol = run.knn_protocol
    neighbours, temperature = (
        run.config.knn_neighbours,
        run.config.knn_temperature,
    )
    queries = f"queries {protocol['queries']}, " if protocol else ""
    parts = [
        f"kNN is a weighted vote of K = {neighbours} neighbours, "
        f"τ = {temperature:g}; {queries}gallery the training images' clean "
        "embeddings."
    ]
    if any("consistency" in row for row in run.history):
        parts.append(
            " Consistency is the share of anchors' neighbours that have their "
            "anchor's class."
        )
    best = max((row.get("knn_bank", 0.0) for row in run.history), default=0.0)
    if best:
        parts.append(
            f" The authors' protocol, the best epoch on the queries with the "
            f"memory bank as gallery, gives {percent(best)}."
        )
    return element("p", *parts, class_="quiet")


def _named(run: ReportedRun) -> Iterator[tuple[str, str]]:
    config, result = run.config, run.result or {}
    notes = run.checkpoint.notes if run.checkpoint else {}
    yield "data set", config.dataset
    yield "training images", number(run.num_examples)
    if run.trained is not None and run.trained.images.test is not None:
        yield "test images", number(run.trained.images.test.size)
    size = result.get("image_size") or notes["encoder"]["image_size"]
    yield "backbone", f"{config.backbone}, images of {size} pixels"
    yield "embedding", f"{config.embedding_dim} numbers"
    yield "epochs", f"{len(run.history):,} of {run.epochs_planned:,}"
    if config.has_bank:
        yield "rounds", f"{config.rounds}, selection {config.selection}"
    yield "precision", config.precision
    seconds = result.get("seconds") or notes.get("seconds")
    if seconds:
        yield "duration", duration(seconds)
    if result:
        rate = result["train_images_per_second"]
        yield "speed", f"{rate:,.0f} training images a second"
        yield "machine", _machine(result["machine"])
        yield "finished", moment(result["finished"])
    if config.pretext != "and":
        yield "pretext", pretext_of(run)
    yield "seed", str(config.seed)
    if run.checkpoint:
        yield "checkpoint shown", f"after epoch {run.checkpoint.epochs:,}"


def _machine(machine: dict[str, Any]) -> str:
    gpus = f"{machine['gpus']} GPU" if machine["gpus"] else "no GPU"
    return f"{machine['cpus']} CPU cores ({machine['processor']}), {gpus}"


def moment(written: str) -> str:
    """An ISO 8601 time in UTC, for people."""
    return f"{datetime.datetime.fromisoformat(written):%Y-%m-%d %H:%M} UTC"


def notices(run: ReportedRun) -> Html:
    """What a reader has to know before all else."""
    parts = [paragraph(_summary(run))]
    if run.result is None:
        done, planned = len(run.history), run.epochs_planned
        parts.append(
            note(
                f"This run is not finished: {done:,} of {planned:,} epochs. "
                "What stands here is what it has come to so far; the last "
                "section has the command that goes on with it."
            )
        )
    if run.missing:
        parts.append(
            note(
                "The images or the model could not be loaded, so this page "
                f"has only what the run's directory holds. {run.missing}"
            )
        )
    elif not run.has_labels:
        parts.append(
            note(
                "The images have no labels, so there is no kNN accuracy, no "
                "consistency and no confusion; all else is here."
            )
        )
    return join(*parts)


def _summary(run: ReportedRun) -> str:
    """The run in a line."""
    parts = [
        f"{number(run.num_examples)} images of {run.config.dataset}",
        f"{len(run.history):,} epochs",
        f"seed {run.config.seed}",
    ]
    if run.result:
        parts.insert(2, duration(run.result["seconds"]))
        parts.append(moment(run.result["finished"]))
    return " · ".join(parts)
