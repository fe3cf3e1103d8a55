"""Protocols on real runs of seconds: what they find, keep and refuse."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from and_tf import protocols
from and_tf.data.split import ImageData
from and_tf.evaluation.neighbourhoods import neighbours_pull
from and_tf.protocols import embedding, linear, neighbourhoods
from and_tf.protocols.config import Options
from and_tf.training import trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError


def config(path: pathlib.Path, **changes) -> TrainConfig:
    return TrainConfig(
        **{
            "dataset": "digits",
            "encoder": "small",
            "embedding_dim": 16,
            "rounds": 2,
            "epochs_per_round": 1,
            "batch_size": 100,
            "max_train_examples": 400,
            "max_test_examples": 120,
            "bank_initialiser": "encoder",
            "neighbourhood_size": 2,
            "run_dir": str(path),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("finished") / "run"
    trainer.train(config(path))
    return path


@pytest.fixture
def again(finished, tmp_path) -> Run:
    """The run, loaded from a copy that a test may change."""
    shutil.copytree(finished, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture
def quick_map(monkeypatch):
    """Two of the embedding's axes as the map, where t-SNE itself is no matter.

    One test has the real one.
    """
    monkeypatch.setattr(embedding, "tsne", lambda rows, seed: rows[:, :2])


def with_images(loaded: Run, images: ImageData) -> Run:
    """A run of which nothing is loaded but these images and the model."""
    changed = Run(loaded.directory.path, loaded.which)
    changed.__dict__.update(images=images, model=loaded.model)
    return changed


def without_labels(loaded: Run) -> Run:
    splits = (loaded.images.train, loaded.images.test)
    bare = (dataclasses.replace(split, labels=None) for split in splits)
    return with_images(loaded, ImageData("digits", *bare))


def without_test(loaded: Run) -> Run:
    images = ImageData("digits", loaded.images.train, None)
    return with_images(loaded, images)


def written(loaded: Run) -> dict:
    return json.loads(loaded.directory.result.read_text())


def test_figures_are_added_to_the_result(again):
    before = written(again)
    figures = protocols.evaluate(
        again, protocols.NAMES, Options(linear_epochs=2)
    )
    after = written(again)
    assert after.pop("evaluation") == figures
    assert after == before
    assert set(figures) == set(protocols.NAMES)
    assert all(f["protocol"] and f["epochs"] == 3 for f in figures.values())


def test_knn_is_scikit_learns(again):
    train, test = again.images.train, again.images.test
    rows, asked = again.train_embeddings, again.query_embeddings
    figures = protocols.evaluate(again, ["knn"], Options(knn_neighbours=7))
    figures = figures["knn"]
    for gallery, name in (
        (rows, "clean"),
        (np.asarray(again.model.bank.rows), "bank"),
    ):
        for k, key in ((7, "top1"), (1, "nearest")):
            oracle = KNeighborsClassifier(
                k, weights=lambda d: np.exp((1 - d) / 0.1), metric="cosine"
            ).fit(gallery, train.labels)
            assert figures[f"{name}_{key}"] == pytest.approx(
                oracle.score(asked, test.labels), abs=0.009
            )
    assert figures["protocol"]["num_queries"] == 120
    assert figures["protocol"]["K"] == 7
    assert figures["protocol"]["gallery"] == ["clean", "bank"]


@pytest.mark.parametrize("gallery", ["bank", "clean"])
def test_one_gallery_alone(again, gallery):
    both = protocols.evaluate(again, ["knn"])["knn"]
    options = Options(knn_gallery=gallery)
    alone = protocols.evaluate(again, ["knn"], options)["knn"]
    keys = {key for key in both if key.startswith(("bank", "clean"))}
    assert {key: alone.get(key) for key in keys} == {
        key: both[key] if key.startswith(gallery) else None for key in keys
    }


def test_linear_is_ridge_on_the_layers(again):
    options = Options(linear_epochs=30)
    figures = protocols.evaluate(again, ["linear"], options)["linear"]
    layers = [row["layer"] for row in figures["layers"]]
    assert layers == ["stage1", "stage2", "embedding"]
    last = figures["layers"][-1]
    assert last["features"] == 16
    scaler = StandardScaler().fit(again.train_embeddings)
    train, test = again.images.train, again.images.test
    oracle = Ridge(alpha=last["ridge_penalty"] * train.size).fit(
        scaler.transform(again.train_embeddings), np.eye(10)[train.labels]
    )
    answers = oracle.predict(scaler.transform(again.query_embeddings))
    assert last["ridge_top1"] == pytest.approx(
        (answers.argmax(1) == test.labels).mean(), abs=0.009
    )
    for row in figures["layers"]:
        assert min(row["sgd_top1"], row["ridge_top1"]) > 0.4
    once_more = protocols.evaluate(again, ["linear"], options)["linear"]
    assert once_more == figures


def test_linear_is_the_same_where_features_are_not_held(again):
    """SGD's order is another there, the ridge probe's sums are the same."""
    held = protocols.evaluate(again, ["linear"], Options(linear_epochs=1))
    streamed = Run(again.directory.path, memory_gib=0.0)
    streamed.__dict__.update(images=again.images)
    found = protocols.evaluate(streamed, ["linear"], Options(linear_epochs=1))
    rows = (f["linear"]["layers"] for f in (held, found))
    for one, other in zip(*rows, strict=True):
        assert one["ridge_penalty"] == other["ridge_penalty"]
        assert one["ridge_top1"] == pytest.approx(
            other["ridge_top1"], abs=0.009
        )


def test_linear_leaves_the_encoder_alone(again):
    before = [v.numpy().tobytes() for v in again.model.encoder.variables]
    protocols.evaluate(again, ["linear"], Options(linear_epochs=1))
    after = [v.numpy().tobytes() for v in again.model.encoder.variables]
    assert after == before


def test_linear_without_a_test_split_holds_out_a_tenth(again):
    alone = without_test(again)
    figures = protocols.evaluate(alone, ["linear"], Options(linear_epochs=1))
    protocol = figures["linear"]["protocol"]
    assert (protocol["num_train"], protocol["num_queries"]) == (360, 40)
    assert "a fixed tenth" in protocol["queries"]


def test_a_tenth_that_is_asked_is_not_learnt_from(again):
    sides = linear.choose_sides(without_test(again), seed=0)
    parts = (sides.train.images, sides.test.images)
    together = sorted(image.tobytes() for part in parts for image in part)
    images = again.images.train.images
    assert together == sorted(image.tobytes() for image in images)


def test_rounds_agree_with_the_training(again):
    result = written(again)["neighbourhoods"]
    figures = protocols.evaluate(again, ["neighbourhoods"])["neighbourhoods"]
    for row, at_training in zip(figures["rounds"], result[1:], strict=True):
        assert row["anchors"] == at_training["selected"]
        assert row["consistent"] + row["inconsistent"] == row["anchors"]
        for key in ("consistency", "consistency_all"):
            assert row[key] == pytest.approx(at_training[key], abs=1e-6)
    assert figures["rounds"][0]["neighbours_kept"] is None
    assert 0 <= figures["rounds"][1]["neighbours_kept"] <= 1
    rows, neighbours, _ = again.checkpoint.arrays("method")  # All anchors.
    pull = neighbours_pull(again.train_embeddings, rows, neighbours, 0.1)
    assert figures["neighbours_pull"] == pytest.approx(pull.mean(), abs=1e-6)


def test_the_pull_is_that_of_anchors(finished):
    """Which are half of all in the first round."""
    first = Run(finished, which="round_1")
    figures = neighbourhoods.evaluate(first, Options()).figures
    rows, neighbours, anchors = first.checkpoint.arrays("method")
    pull = neighbours_pull(first.train_embeddings, rows, neighbours, 0.1)
    assert anchors.sum() == 200
    assert figures["neighbours_pull"] == pytest.approx(
        pull[anchors].mean(), abs=1e-6
    )
    assert figures["neighbours_pull"] != pytest.approx(pull.mean(), abs=1e-6)


@pytest.mark.parametrize("name", ["neighbourhoods", "embedding"])
def test_needs_no_labels(again, quick_map, name):
    figures = protocols.evaluate(without_labels(again), [name])[name]
    known = json.dumps(figures)
    assert "consistency_by_entropy" not in known
    if name == "embedding":
        assert figures["cosine_within_classes"] is None
        assert figures["hubness_skewness"] != 0
    else:
        assert [row["anchors"] for row in figures["rounds"]] == [200, 400]
        assert {row["consistency"] for row in figures["rounds"]} == {None}


@pytest.mark.parametrize("name", ["knn", "linear"])
def test_needs_labels(again, name):
    with pytest.raises(InputError, match=f"Expected .*--protocols={name}"):
        protocols.evaluate(without_labels(again), [name])


def test_the_bank_needs_a_test_split(again):
    options = Options(knn_gallery="bank")
    with pytest.raises(InputError, match="Use --knn_gallery=clean"):
        protocols.evaluate(without_test(again), ["knn"], options)


def test_what_needs_labels_stops_nothing_else(again):
    names = ["knn", "neighbourhoods", "linear", "kmeans"]
    with pytest.raises(InputError) as caught:
        protocols.evaluate(
            without_labels(again), names, Options(kmeans_clusters=5)
        )
    for name in ("knn", "linear"):
        assert f"--protocols={name}" in str(caught.value)
    assert set(written(again)["evaluation"]) == {"neighbourhoods", "kmeans"}


def test_checkpoints_have_figures_of_their_own(finished, tmp_path):
    path = shutil.copytree(finished, tmp_path / "run")
    names = ["knn", "neighbourhoods"]
    last = protocols.evaluate(Run(path), names)
    first = protocols.evaluate(Run(path, which="round_0"), names)
    best = protocols.evaluate(Run(path, which="best"), ["knn"])
    result = json.loads((path / "result.json").read_text())
    assert result["evaluation"] == last
    assert result["evaluation_of"] == {"round_0": first, "best": best}
    assert first["knn"]["epochs"] == 1 and last["knn"]["epochs"] == 3
    assert "queries" in best["knn"]["checkpoint_chosen_by"]
    history = Run(path).checkpoint.metadata["history"]
    bank = [row["knn_bank"] for row in history]
    assert best["knn"]["bank_top1"] == pytest.approx(max(bank), abs=1e-6)
    assert (path / "consistency_round_0.png").is_file()


def test_a_damaged_result_is_said(again):
    again.directory.result.write_text("{")
    with pytest.raises(InputError, match="json: input data was truncated"):
        protocols.evaluate(again, ["knn"])


def test_pictures_stand_in_tensorboard_once(again, quick_map):
    names = ["neighbourhoods", "embedding"]
    for _ in range(2):
        protocols.evaluate(again, names)
        for picture in ("consistency", "embedding_map"):
            with Image.open(again.directory.path / f"{picture}.png") as image:
                assert min(image.size) > 300
        board = again.directory.tensorboard / "evaluation"
        files = sorted(board.rglob("*tfevents*"))
        assert [file.parent.name for file in files] == sorted(names)
        tags = [tag for file in files for tag in tags_of(file)]
        assert sorted(tags) == [("consistency", 3), ("embedding_map", 3)]


def tags_of(file: pathlib.Path) -> list[tuple[str, int]]:
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    found = (tf.compat.v1.Event.FromString(record) for record in records)
    return [(v.tag, event.step) for event in found for v in event.summary.value]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "Expected at least one round"),
        (
            lambda path: (path / "round_2.npz").write_bytes(b"PK no archive"),
            "round 2.* cannot be read .it is no archive",
        ),
    ],
    ids=["none", "damaged"],
)
def test_rounds_that_cannot_be_read_are_said(again, spoil, message):
    spoil(again.directory.neighbourhoods)
    with pytest.raises(InputError, match=message):
        protocols.evaluate(again, ["neighbourhoods"])


def test_a_run_evaluated_before_its_end_is_not_finished(again):
    """Its result is still to come, and comes when it is resumed."""
    again.directory.result.unlink()
    figures = protocols.evaluate(again, ["knn"])
    assert written(again) == {"evaluation": figures}
    directory = RunDirectory(again.directory.path)
    assert directory.read_result() is None
    resumed = config(directory.path, resume=True)
    assert (
        trainer.train(resumed)["knn_top1_last"] == figures["knn"]["clean_top1"]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"knn_neighbours": 0}, "--knn_neighbours of at least 1"),
        ({"knn_temperature": float("nan")}, "--knn_temperature above 0"),
        ({"knn_gallery": "best"}, "one of both, bank, clean"),
        ({"linear_epochs": 0}, "--linear_epochs of at least 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Options(**options)
