"""Describes the embedding: a map, hubs, and similarity by class."""

from __future__ import annotations

from typing import Any

import numpy as np

from and_tf import figures as drawing
from and_tf.evaluation.geometry import Hubness, class_similarity, hubness
from and_tf.protocols.config import Options
from and_tf.protocols.results import Findings
from and_tf.training.run import Run
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError

MOST_POINTS = 2000  # A map can show so many; t-SNE needs half a minute.
PERPLEXITY = 30
FEWEST = 5
PICTURE = "embedding_map"


def evaluate(run: Run, options: Options) -> Findings:
    """Describes the embeddings of the test images.

    Without a test split it uses the training images. With labels it colours
    the map by class and compares similarities within and between classes;
    without labels the map is grey.

    Raises:
        InputError: If there are fewer than `FEWEST` images.
    """
    split = run.images.test or run.images.train
    if split.size < FEWEST:
        raise InputError(
            f"Expected {FEWEST} images or more for --protocols=embedding. "
            f"Received: {split.size} in {split.name}."
        )
    embeddings = run.query_embeddings
    chosen = choose(split.size, options.seed)
    points = tsne(embeddings[chosen], options.seed)
    hubs = hubness(embeddings)
    labels = split.labels
    within = between = None
    if labels is not None:
        within, between = class_similarity(embeddings, labels)
    figures = {
        "protocol": {
            "images": split.name,
            "num_images": split.size,
            "k": hubs.neighbours,
            "neighbours": "among the same images",
            "map": "t-SNE, initialised by PCA",
            "map_images": len(chosen),
            "perplexity": perplexity(len(chosen)),
            "seed": options.seed,
        },
        "hubness_skewness": hubs.skewness,
        "nobodys_neighbour": hubs.nobodys,
        "most_occurrences": hubs.most,
        "cosine_within_classes": within,
        "cosine_between_classes": between,
    }
    picture = drawing.map_array(
        points,
        None if labels is None else labels[chosen],
        split.class_names,
        title=f"{run.config.encoder} on {run.config.dataset}",
        note=f"t-SNE of {len(chosen):,} of {split.name}'s {split.size:,} "
        f"images after {run.checkpoint.moment}",
    )
    return Findings(
        figures, _text(figures, hubs, run.checkpoint.moment), {PICTURE: picture}
    )


def choose(count: int, seed: int) -> np.ndarray:
    """Draws at most `MOST_POINTS` of `count` indices, int64 [m], ascending."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:MOST_POINTS])


def perplexity(count: int) -> float:
    """Returns t-SNE's perplexity, at most a third of the other points."""
    return min(PERPLEXITY, (count - 1) / 3)


def tsne(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Maps embeddings [m, D] to points in the plane, float32 [m, 2]."""
    # This import takes a second, which other protocols save.
    from sklearn.manifold import TSNE

    return TSNE(
        init="pca",
        learning_rate="auto",
        perplexity=perplexity(len(embeddings)),
        random_state=seed,
    ).fit_transform(embeddings)


def _text(figures: dict[str, Any], hubs: Hubness, moment: str) -> str:
    protocol = figures["protocol"]
    lines = [
        f"embedding of {protocol['num_images']:,} images of "
        f"{protocol['images']}, after {moment}",
        f"  hubness        skewness of N_{hubs.neighbours} "
        f"{hubs.skewness:.2f}, at most {hubs.most}, nobody's neighbour "
        f"{percent(hubs.nobodys)}",
    ]
    cosines = {
        "within classes": figures["cosine_within_classes"],
        "between classes": figures["cosine_between_classes"],
    }
    known = [f"{k} {v:.3f}" for k, v in cosines.items() if v is not None]
    if known:
        lines.append(f"  mean cosine    {', '.join(known)}")
    return "\n".join(lines)
