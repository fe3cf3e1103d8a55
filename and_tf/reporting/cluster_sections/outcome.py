"""How a clustering ended: k-means beside SCAN, and what was run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from and_tf.reporting import markup
from and_tf.reporting.markup import (
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
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.section import Section
from and_tf.reporting.sections.outcome import moment
from and_tf.scan import validation
from and_tf.utils.progress import duration

FIGURES = ("acc", "nmi", "ari", "acc_top5")


def section(found: ReportedClustering) -> Section:
    """Cards, a table of methods, and what was run."""
    parts = [_cards(found)]
    if found.has_labels:
        parts += [_methods(found), _reading(found)]
    return Section(
        "outcome", "How it ended", join(*parts, facts(_named(found)))
    )


def _cards(found: ReportedClustering) -> Html:
    """ACC beside k-means'; without labels what is known without."""
    result = found.result
    used = f"{result['clusters_used']} of {result['clusters']}"
    if not found.has_labels:
        return markup.cards(
            [
                (used, "clusters used"),
                (number(result["num_examples"]), "images learnt from"),
                (f"{result['validation_loss']:.3f}", "loss, evaluation images"),
            ]
        )
    cards = [(percent(result["acc"]), "ACC of SCAN")]
    if result["kmeans"]:
        cards.append((percent(result["kmeans"]["acc"]), "ACC of k-means"))
    cards += [(percent(result["nmi"]), "NMI"), (percent(result["ari"]), "ARI")]
    return markup.cards([*cards, (used, "clusters used")])


def _methods(found: ReportedClustering) -> Html:
    """k-means, and SCAN after each of its steps, under one another."""
    rows, result = [], found.result
    methods = [
        ("k-means", result["kmeans"]),
        (
            "oracle" if result["uses_labels"] else "SCAN",
            result["after_clustering"],
        ),
    ]
    if (result["self_labelling"] or {}).get("epochs"):
        methods.append(("+ self-labelling", result))
    for name, figures in methods:
        if figures:
            acc, *others = (figures.get(key) for key in FIGURES)
            drawn = bar(acc, name != "k-means")
            rows.append((name, percent(acc), drawn, *map(percent, others)))
    caption = "ACC, NMI and ARI, of the same images"
    head = ("", "ACC", "of 100 %", "NMI", "ARI", "ACC top-5")
    return table(caption, *known_columns(head, rows))


def _reading(found: ReportedClustering) -> Html:
    """What the figures have to be read with."""
    result, protocol = found.result, found.result["protocol"]
    compared = result["kmeans"]
    taught = (
        "Labels chose the neighbours. "
        if result["uses_labels"]
        else "Labels taught nothing. "
    )
    text = (
        f"{taught}Clusters are matched to classes on "
        f"{protocol['matched_on']}, {number(protocol['num_queries'])} images, "
        "one to one, so that ACC is highest on these very images (Hungarian)."
    )
    if compared:
        text += (
            f" k-means: mean of {compared['seeds']} seeds, "
            f"{compared['features']}."
        )
    if result["acc_majority"] is not None:
        text += (
            " Many clusters to one class, by a vote of the training images' "
            f"labels, ACC is {percent(result['acc_majority'])}."
        )
    return element("p", text, class_="quiet")


def _named(found: ReportedClustering) -> Iterator[tuple[str, Any]]:
    config, result = found.config, found.result
    source = result["pretext"]
    yield "data set", result["dataset"]
    yield "training images", number(result["num_examples"])
    yield (
        "encoder",
        (
            f"{source['backbone']} by --pretext={source['pretext']}, "
            f"{source['epochs']:,} epochs, "
            f"{'frozen' if result['frozen'] else 'fine-tuned'}"
        ),
    )
    yield "run", source["run_dir"]
    yield "heads see", f"the {result['features']}"
    yield "heads", f"{result['heads']}, the loss chose number {result['head']}"
    yield (
        "clusters",
        (f"{result['clusters']}, from {result['protocol']['clusters_from']}"),
    )
    yield "neighbours", f"{result['neighbours']} of each image"
    yield "entropy weight λ", f"{config.entropy_weight:g}"
    yield "augmentation", result["augmentation"]
    yield "epochs", f"{result['epochs']:,}"
    yield "duration", duration(result["seconds"])
    rate = result["train_images_per_second"]
    yield "speed", f"{rate:,.0f} training images a second"
    yield "finished", moment(result["finished"])
    yield "seed", str(result["seed"])


def notices(found: ReportedClustering) -> Html:
    """What a reader has to know before all else."""
    result = found.result
    summary = (
        f"{number(result['num_examples'])} images of {result['dataset']}",
        f"{result['clusters']} clusters",
        f"{result['epochs']:,} epochs",
        f"seed {result['seed']}",
        moment(result["finished"]),
    )
    parts = [paragraph(" · ".join(summary))]
    if found.missing:
        parts.append(
            note(
                "The images or the model could not be loaded, so this page "
                f"has only what the directory holds. {found.missing}"
            )
        )
    return join(*parts, *map(note, _warnings(found)))


def _warnings(found: ReportedClustering) -> Iterator[str]:
    """What is wrong with the clusters themselves."""
    result, compared = found.result, found.result["kmeans"]
    sizes = result["cluster_sizes"]
    if result["uses_labels"]:
        yield (
            "Neighbours with another label were left out (--mining=oracle): "
            "this is a ceiling, and no result without labels."
        )
    if result["pretext"]["pretext"] == "supervised":
        yield "The encoder was trained by the labels (--pretext=supervised)."
    if not found.has_labels:
        yield (
            "The images have no labels, so clusters have numbers and no "
            "names, and nothing says how well they are classes."
        )
    elif compared and result["acc"] < compared["acc"]:
        yield (
            f"SCAN ends below k-means on the same encoder, "
            f"{percent(result['acc'])} to {percent(compared['acc'])}: more "
            "epochs, an encoder that is fine-tuned, or neighbours that agree "
            "more may mend it."
        )
    if result["collapsed"]:
        yield validation.COLLAPSED.format(
            used=result["clusters_used"],
            clusters=len(sizes),
            largest=100 * max(sizes) / sum(sizes),
        )
