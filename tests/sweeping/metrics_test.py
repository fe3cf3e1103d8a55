"""What is read from results, and how values are written."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.sweeping import metrics
from and_tf.utils import schemas
from tests.sweeping.table_test import clustering, result


def test_text_is_numpys_mean_and_deviation(rng):
    values = rng.uniform(size=5)
    mean, deviation = values.mean(), np.std(values, ddof=1)
    expected = f"{100 * mean:.1f} ± {100 * deviation:.1f}"
    assert metrics.percent(list(values)) == expected
    assert metrics.number([0.125]) == "0.125"
    assert metrics.count([9, 9, 9]) == "9"
    assert metrics.count([9, 10]) == "9.5 ± 0.7"
    assert metrics.percent([]) == metrics.count([]) == metrics.NONE


def test_a_result_in_a_word():
    assert metrics.headline(result(0, 0.518, None, [])) == "kNN 51.8 %"
    assert metrics.headline(clustering(0, 0.25)) == "ACC 25.0 %"
    assert metrics.headline(clustering(0, None)) == ""


def test_what_a_clustering_has_not_is_not_there():
    figures = metrics.figures_of(clustering(0, None, heads_agree=None))
    assert figures == {"silhouette": 0.125, "clusters_used": 9}
    # Of a version without them.
    old = clustering(0, 0.5) | {"without_labels": None, "kmeans": None}
    assert set(metrics.figures_of(old)) == {"acc", "nmi", "ari"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], [[]]),
        (
            ["round_1", "knn_top1_last", "linear_conv5", "round_0"],
            [["knn_top1_last", "round_0", "round_1"]],
        ),
        (["silhouette", "acc"], [["acc"], ["silhouette"]]),
        (["confidence"], [["confidence"]]),
    ],
)
def test_columns_of_tables(names, expected):
    assert metrics.tables(names) == expected
    for columns in expected:
        assert all(metrics.measure(name).heading for name in columns)


def test_values_that_some_seeds_have_not():
    results = [result(0, 0.5, 0.25, []), result(1, None, 0.75, [])]
    gathered = metrics.gather(results)
    assert gathered["knn_top1_last"] == [0.5, None]
    assert metrics.percent(gathered["knn_top1_last"]) == "50.0 (1 of 2)"
    assert metrics.percent(gathered["knn_top1_best"]) == "50.0 ± 35.4"
    assert metrics.percent([None, None]) == metrics.NONE


@pytest.mark.parametrize("epochs", [{"epochs": 2}, {"epochs": 1}, {}])
def test_linear_classifiers_of_the_last_epoch_alone_count(epochs):
    """A damaged result.json may have lost how many epochs there were."""
    layers = [{"layer": "conv5", "sgd_top1": 0.25}]
    found = {
        **result(0, 0.5, None, []),
        "evaluation": {"linear": {"layers": layers, "epochs": 2}},
    }
    found.pop("epochs", None)
    figures = metrics.figures_of(found | epochs)
    assert ("linear_conv5" in figures) == (epochs == {"epochs": 2})


def test_each_figure_is_checked_when_its_file_is_read():
    composed = {"clustered_acc", "kmeans_acc"}  # Of parts that are checked.
    for names, schema in (
        (metrics.KNN, schemas.TrainingResult),
        (metrics.MATCHED.keys() - composed, schemas.ClusteringResult),
        (metrics.WITHOUT_LABELS, schemas.WithoutLabels),
    ):
        assert set(names) <= set(schema.__struct_fields__)
