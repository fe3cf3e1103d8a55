"""Folders looked through by a run of this project, and by what came of it."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from and_tf.exploring import explorer, map_points
from and_tf.exploring.config import ExploreConfig
from and_tf.finetuning import trainer as finetuning
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.finetuned import Finetuned
from and_tf.scan.clustering import Clustering
from and_tf.training import trainer
from and_tf.training.run import Run
from tests.small_clustering import cluster
from tests.small_run import digits

COUNT = 40


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> pathlib.Path:
    """The directory of a run of one epoch on digits of 8×8 pixels."""
    path = tmp_path_factory.mktemp("source")
    config = digits(path, rounds=0, epochs_per_round=1, baselines=False)
    trainer.train(config)
    return config.run_directory


@pytest.fixture(scope="module")
def images(source) -> np.ndarray:
    """Images of which the run has seen none, uint8 [N, 8, 8, 3]."""
    return Run(source).images.test.images[:COUNT]


@pytest.fixture
def explore(images, tmp_path, monkeypatch):
    """Returns a function that looks at the images by what is in a directory.

    It returns the table, explore.json, and the data of the page.
    """
    # UMAP takes seconds to be compiled.
    monkeypatch.setattr(map_points, "has_umap", lambda: False)
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number:02}.png")

    def run(directory: pathlib.Path) -> tuple[dict[str, list], dict, dict]:
        output = tmp_path / "explored"
        explorer.explore(
            ExploreConfig(
                images=str(tmp_path / "photos"),
                output=str(output),
                run_dir=str(directory),
                clusters=3,
            )
        )
        table = pyarrow.parquet.read_table(output / "images.parquet")
        told = json.loads((output / "explore.json").read_text())
        page = (output / "page" / "data.js").read_text().partition("=")[2]
        return table.to_pydict(), told, json.loads(page)

    return run


def test_a_clustering_brings_its_clusters(
    source, images, explore, tmp_path, capsys
):
    clustered = cluster(source, tmp_path / "scan", clusters=12)
    table, told, page = explore(clustered)
    found = Clustering(clustered)
    expected = found.classifier.predict(images, verbose=0)
    assert table["cluster"] == expected.argmax(1).tolist()
    names = found.cluster_names
    assert table["cluster_name"] == [names[c] for c in table["cluster"]]
    np.testing.assert_allclose(
        table["cluster_probability"], expected.max(1), atol=1e-5
    )
    assert {*table["predicted_label"]} == {None}
    assert told["labels_seen"] == "no labels"
    empty = 12 - len({*table["cluster"]})
    assert empty == told["empty_clusters"] > 0  # 10 digits, 12 clusters.
    assert f"12, {empty} of them empty" in capsys.readouterr().out
    assert "cluster_probability" in page["columns"]
    assert "whose weights have seen no labels." in page["notes"][0]


def test_a_fine_tuning_brings_classes(source, images, explore, tmp_path):
    config = FinetuneConfig(
        run_dir=str(source), output_dir=str(tmp_path / "finetuned"), epochs=1,
        head_epochs=20, labelled_fraction=0.5, compare=False,
    )  # fmt: skip
    finetuning.finetune(config)
    table, told, page = explore(config.output_directory)
    found = Finetuned(config.output_directory)
    expected = found.classifier.predict(images, verbose=0)
    names = found.class_names
    assert table["predicted_label"] == [names[c] for c in expected.argmax(1)]
    np.testing.assert_allclose(
        table["predicted_probability"], expected.max(1), atol=1e-5
    )
    # Clusters are k-means' on its features, so neighbours are by these too.
    assert {*table["cluster"]} == {0, 1, 2}
    rows = found.encoder.predict(images, verbose=0)
    similarity = rows @ rows.T - 3 * np.eye(COUNT)
    near = np.array([each["distances"][0] for each in table["neighbors"]])
    np.testing.assert_allclose(1 - near, similarity.max(1), atol=1e-5)
    used = found.result["labels"]["used"]
    assert told["labels_seen"] == f"{used} labels of digits/train"
    assert "predicted_label" in page["columns"]
