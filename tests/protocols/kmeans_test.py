"""The protocol `kmeans` on a real run of seconds."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from and_tf import protocols
from and_tf.evaluation import cluster_metrics
from and_tf.protocols.config import Options
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from tests.protocols.protocols_test import (
    with_images,
    without_labels,
    without_test,
)
from tests.small_run import trained_once


@pytest.fixture(scope="module")
def again(tmp_path_factory) -> Run:
    """A run of instance learning, loaded from a copy that tests add to."""
    _, trained = trained_once(tmp_path_factory, rounds=0, baselines=False)
    path = tmp_path_factory.mktemp("again") / "run"
    return Run(shutil.copytree(trained.path, path))


def found(loaded: Run, **options) -> dict:
    return protocols.evaluate(loaded, ["kmeans"], Options(**options))["kmeans"]


def test_fits_on_the_training_images_and_asks_the_others(again, capsys):
    figures = found(again, kmeans_seeds=1)
    oracle = KMeans(10, n_init=3, random_state=0).fit(again.train_embeddings)
    asked = oracle.predict(again.query_embeddings)
    scores = cluster_metrics.score(asked, again.images.test.labels, 10, 10)
    assert figures["acc"] == pytest.approx(scores.acc)
    assert figures["nmi"] == pytest.approx(scores.nmi)
    assert figures["cluster_sizes"] == np.bincount(asked).tolist()
    assert figures["silhouette"] == pytest.approx(
        silhouette_score(again.query_embeddings, asked), abs=1e-6
    )
    assert figures["protocol"]["matched_on"] == "digits/test"
    assert f"{100 * scores.acc:.2f} %" in capsys.readouterr().out


def test_many_clusters_are_matched_by_a_vote_of_the_training_labels(again):
    figures = found(again, kmeans_seeds=1, kmeans_clusters=30)
    train, test = again.images.train, again.images.test
    oracle = KMeans(30, n_init=3, random_state=0).fit(again.train_embeddings)
    names = [
        np.bincount(train.labels[oracle.labels_ == c]).argmax()
        for c in range(30)
    ]
    answers = np.array(names)[oracle.predict(again.query_embeddings)]
    expected = (answers == test.labels).mean()
    assert figures["acc_majority"] == pytest.approx(expected)
    assert "digits/train" in figures["protocol"]["matching"]


def test_without_a_test_split_asks_what_it_was_fit_on(again):
    alone = without_test(again)
    alone.__dict__.pop("query_embeddings", None)
    assert found(alone, kmeans_seeds=2)["protocol"]["num_queries"] == 450


def test_needs_no_labels_but_a_number(again):
    bare = without_labels(again)
    figures = found(bare, kmeans_seeds=1, kmeans_clusters=7)
    assert "acc" not in figures
    assert sum(figures["cluster_sizes"]) == 150
    assert -1 < figures["silhouette"] < 1


def test_refuses_an_unknown_number(again):
    bare = without_labels(again).images
    nameless = with_images(
        again,
        dataclasses.replace(
            bare,
            train=dataclasses.replace(bare.train, class_names=None),
            test=dataclasses.replace(bare.test, class_names=None),
        ),
    )
    with pytest.raises(InputError, match="Expected --kmeans_clusters"):
        found(nameless)


@pytest.mark.parametrize("name", ["kmeans_clusters", "kmeans_seeds"])
def test_options_out_of_range_are_refused(name):
    with pytest.raises(InputError, match=f"--{name} of at least"):
        Options(**{name: -1})
