"""Runs that learn from a teacher, a small network that knows digits."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import html
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA

from and_tf import data
from and_tf.distribution.process_group import ProcessGroup
from and_tf.encoders import heads
from and_tf.evaluation.knn import weighted_knn
from and_tf.finetuning.results import labels_seen
from and_tf.reporting import run_page
from and_tf.training import teaching, trainer
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError
from tests import mains
from tests.conftest import unit
from tests.same_run import assert_same_run
from tests.small_run import digits, evaluate_knn, folder, interrupted

SIDE, UNITS = 16, 24  # The teacher's own.


def network() -> keras.Model:
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.AveragePooling2D(2)(images)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(x))
    x = keras.layers.Dense(UNITS, "relu", name="features")(x)
    return keras.Model(images, keras.layers.Dense(10, "softmax")(x))


def large(images: np.ndarray) -> np.ndarray:
    """Returns digits as the teacher sees them."""
    shape = [SIDE, SIDE]
    found = tf.image.resize(images, shape, antialias=True)
    return np.round(found.numpy())


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> pathlib.Path:
    keras.utils.set_random_seed(0)
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    train = data.load("digits", max_train_examples=600).train
    model.fit(large(train.images), train.labels, epochs=30, verbose=0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.keras"
    model.save(path)
    return path


def distil(tmp_path, teacher: pathlib.Path, name="run", **changes):
    return digits(
        tmp_path,
        name,
        **{
            "pretext": "distillation",
            "teacher": f"{teacher}@features",
            "bank_initialiser": "",
            "embedding_dim": 12,
            "rounds": 0,
            "initial_epochs": 4,
            "learning_rate": 0.3,
            **changes,
        },
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, teacher):
    """A run that the command made, and its config."""
    config = distil(tmp_path_factory.mktemp("finished"), teacher)
    mains.run("and_tf.train", config.to_flags())
    return config, RunDirectory(config.run_directory)


def features(teacher: pathlib.Path, images: np.ndarray) -> np.ndarray:
    whole = keras.models.load_model(teacher)
    trunk = keras.Model(whole.inputs, whole.get_layer("features").output)
    return trunk.predict(large(images), verbose=0)


def test_the_teachers_figures_stand_beside_the_students(finished, teacher):
    config, directory = finished
    result = directory.read_result()
    assert result["teacher"] == {
        "encoder": config.teacher,
        "source": config.teacher,
        "file": teacher.name,
        "sha256": hashlib.sha256(teacher.read_bytes()).hexdigest(),
        "labels": "unknown",
        "image_size": SIDE,
        "dim": 12,
    }
    images = Run(directory.path).images
    pca = PCA(12, whiten=True, svd_solver="full")
    gallery = unit(pca.fit_transform(features(teacher, images.train.images)))
    queries = unit(pca.transform(features(teacher, images.test.images)))
    expected = weighted_knn(
        queries.astype(np.float32),
        images.test.labels,
        gallery.astype(np.float32),
        images.train.labels,
    ).top1
    figures = result["knn_baselines"]
    # A rounding error may turn one vote of 150.
    assert figures["teacher"] == pytest.approx(expected, abs=1 / 150 + 1e-6)
    assert result["knn_top1_last"] > figures["untrained encoder"] + 0.05
    with open(directory.metrics, newline="") as file:
        cosines = [float(row["cosine"]) for row in csv.DictReader(file)]
    assert cosines[-1] == pytest.approx(result["train_cosine"])
    assert cosines == sorted(cosines) and cosines[-1] > 0.2


def test_a_run_says_what_its_teacher_has_seen(finished, capsys):
    config, directory = finished
    trainer.train(dataclasses.replace(config, resume=True))
    assert "\nteacher  " in capsys.readouterr().out
    directory.result.unlink()
    trainer.train(dataclasses.replace(config, resume=True))
    printed = capsys.readouterr()
    assert "teacher.keras@features, which has seen unknown" in printed.out
    assert "teacher on digits" not in printed.err  # Nothing is computed again.
    run_page.write(Run(directory.path), directory.path / "report.html")
    page = (directory.path / "report.html").read_text("utf-8")
    assert "labels that its teacher has seen: unknown" in page
    assert "Cosine with the teacher" in page


def test_it_is_evaluated_as_any_run(finished):
    _, directory = finished
    again = Run(directory.path)
    figures = evaluate_knn(again)
    assert figures["clean_top1"] == directory.read_result()["knn_top1_last"]
    with pytest.raises(InputError, match="Use --gallery=clean"):
        again.bank_rows()
    assert labels_seen(again) == "unknown, by the teacher"


def test_resumed_run_is_the_same_run(teacher, tmp_path, monkeypatch):
    """Even if its teacher is no longer there. Keys follow from the step."""
    mine = tmp_path / "mine.keras"
    changes = {
        "initial_epochs": 2,
        "checkpoint_steps": 1,
        "distillation_loss": "similarity",
        "distillation_keys": 64,
        "teacher_neighbours": 3,
    }
    directories = []
    for name in ("whole", "parts"):
        mine.write_bytes(teacher.read_bytes())
        config = distil(tmp_path, mine, name, **changes)
        if name == "parts":
            interrupted(config, 1, monkeypatch, step=2)
            mine.unlink()
        trainer.train(dataclasses.replace(config, resume=True))
        directories.append(RunDirectory(config.run_directory))
    assert_same_run(*directories)


BESIDE = {
    "pretext": "and",
    "rounds": 2,
    "epochs_per_round": 1,
    "initial_epochs": 1,
    "learning_rate": 0.03,
    "distillation_weight": 2.0,
    "discover_in": "teacher",
}


@pytest.fixture(scope="module")
def beside(tmp_path_factory, teacher):
    """A run of AND with a teacher's loss and neighbours, and its config."""
    config = distil(tmp_path_factory.mktemp("beside"), teacher, **BESIDE)
    mains.run("and_tf.train", config.to_flags())
    return config, RunDirectory(config.run_directory)


def test_and_beside_a_teacher(beside, teacher):
    config, directory = beside
    result = directory.read_result()
    assert result["distillation_weight"] == 2.0
    assert result["discovered_in"] == "teacher"
    assert result["teacher"]["labels"] == "unknown"
    assert "teacher" in result["knn_baselines"]
    with open(directory.metrics, newline="") as file:
        history = list(csv.DictReader(file))
    for row in history:
        own, taught = float(row["and_loss"]), float(row["teacher_loss"])
        assert float(row["loss"]) == pytest.approx(own + 2 * taught, rel=1e-5)
        assert float(row["cosine"]) == pytest.approx(1 - taught, abs=1e-5)
    assert [row["anchors"] for row in history] == ["0", "225", "450"]

    images = Run(directory.path).images
    pca = PCA(12, whiten=True, svd_solver="full")
    rows = unit(pca.fit_transform(features(teacher, images.train.images)))
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    for number in (1, 2):
        found = directory.read_neighbourhoods(number).neighbours[:, 0]
        # A rounding error may swap two that are as similar.
        np.testing.assert_allclose(
            similarity[np.arange(450), found], similarity.max(1), atol=1e-4
        )


def test_a_run_says_what_and_has_from_a_teacher(beside, capsys):
    config, directory = beside
    directory.result.unlink()
    trainer.train(dataclasses.replace(config, resume=True))
    printed = capsys.readouterr().out
    assert "\nloss: AND's + 2 × the teacher's, cosine\n" in printed
    assert "\nneighbours: discovered in the teacher's embedd" in printed
    cosine = directory.read_result()["train_cosine"]
    assert f"\ncosine: {cosine:.3f} with the teacher" in printed
    run_page.write(Run(directory.path), directory.path / "report.html")
    page = (directory.path / "report.html").read_text("utf-8")
    for text in (
        "--pretext=and, with the embeddings of a teacher",
        "AND's + 2.0 × the teacher's, cosine",
        "discovered in the teacher's embeddings",
        "AND's own",
        "Cosine with the teacher",
    ):
        assert text in html.unescape(page)


def test_it_is_a_run_of_and(beside):
    """It has a bank, and opens where the teacher is not known."""
    again = Run(beside[1].path)
    assert again.bank_rows().shape == (450, 12)
    assert evaluate_knn(again)["bank_top1"] > 0.1
    assert labels_seen(again) == "unknown, by the teacher"


@pytest.mark.parametrize("step", [0, 2])
def test_and_beside_a_teacher_goes_on(
    beside, teacher, tmp_path, monkeypatch, step
):
    """From the beginning of a round, and from within one."""
    config = distil(tmp_path, teacher, **{**BESIDE, "checkpoint_steps": 1})
    interrupted(config, 1, monkeypatch, step)
    trainer.train(dataclasses.replace(config, resume=True))
    assert_same_run(beside[1], RunDirectory(config.run_directory))


def test_instance_learning_needs_no_teacher(beside, teacher, tmp_path):
    """Runs that search in different rows share it, if no loss is taught."""
    changes = {**BESIDE, "distillation_weight": 0.0}
    alone = distil(tmp_path, teacher, "alone", **changes)
    without = dataclasses.replace(
        alone, run_dir=str(tmp_path / "without"), discover_in="bank", teacher=""
    )
    for config in (alone, without):
        trainer.train(config)
    for before, whole in ((without, alone), (alone, without)):
        name = f"{whole.run_directory.name}_again"
        run_dir, start = str(tmp_path / name), str(before.run_directory)
        again = dataclasses.replace(whole, run_dir=run_dir, start_from=start)
        trainer.train(again)
        assert_same_run(
            *(RunDirectory(c.run_directory) for c in (whole, again))
        )
    other = dataclasses.replace(
        beside[0], run_dir=str(tmp_path / "other"), start_from=start
    )
    with pytest.raises(InputError, match="--distillation_weight=0"):
        trainer.train(other)


def test_other_rows_are_refused(teacher, tmp_path, monkeypatch):
    mine = tmp_path / "mine.keras"
    mine.write_bytes(teacher.read_bytes())
    config = distil(tmp_path, mine)
    interrupted(config, 1, monkeypatch)
    directory = RunDirectory(config.run_directory)
    for path in directory.teacher.iterdir():
        path.unlink()
    resumed = dataclasses.replace(config, resume=True)
    # The same teacher gives the same rows again.
    interrupted(resumed, 1, monkeypatch)
    for path in directory.teacher.iterdir():
        path.unlink()
    keras.utils.set_random_seed(1)
    network().save(mine)
    with pytest.raises(InputError, match="embeddings of the teacher that the"):
        trainer.train(resumed)


def test_a_teacher_sees_the_pixels_that_there_are(
    teacher, tmp_path, monkeypatch
):
    """Images of 12 pixels and more are held with 9 for a student of 8."""

    class Noted(Exception):
        pass

    def note(teacher, split, *_, seen, **__):
        raise Noted(split.image_shape, seen().image_shape)

    monkeypatch.setattr(teaching, "teacher_rows", note)
    config = distil(
        tmp_path,
        teacher,
        dataset="folder",
        data_dir=folder(tmp_path / "images", True, True),
        image_size=8,
        batch_size=8,
    )
    with pytest.raises(Noted) as noted:
        trainer.train(config)
    assert noted.value.args == ((9, 9), (18, 18))


def test_an_earlier_run_teaches(finished):
    """Its trunk does, and what taught it is told."""
    config, directory = finished
    config = dataclasses.replace(config, teacher=str(directory.path))
    metadata = {"encoder": {"image_size": 24, "embedding_dim": 12}}
    found = teaching.of_run(config, metadata, ProcessGroup())
    told = metadata["teacher"]
    assert told["image_size"] == found.image_size == 8
    assert told["labels"] == "by its teacher, unknown"
    run = Run(directory.path)
    images = run.images.test.images[:5]
    _, head = heads.split(run.encoder)
    np.testing.assert_allclose(
        head(found.trunk.predict(images, verbose=0)),
        run.encoder(images),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding_dim": UNITS + 1}, f"--embedding_dim from 1 to {UNITS}"),
        ({"teacher_weights": "imagenet"}, "no --teacher_weights with --teache"),
    ],
    ids=["dim", "weights"],
)
def test_refuses(teacher, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        trainer.train(distil(tmp_path, teacher, **changes))
