"""Arms that share their instance learning, on digits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import and_tf
from tests import mains

FLAGS = [
    "--dataset=digits", "--encoder=small", "--embedding_dim=16",
    "--max_train_examples=300", "--max_test_examples=100",
    "--batch_size=100", "--initial_epochs=3", "--branch_epoch=1",
    "--refresh_epochs=1", "--run_dir=unused",
]  # fmt: skip


def run(place, arms, *more):
    mains.run(
        "benchmarks.neighbours",
        [*FLAGS, f"--output_dir={place}", f"--arms={arms}", *more],
    )
    return {
        name: json.loads((place / f"{name}.json").read_text())
        for name in arms.split(",")
    }


def test_arms_differ_by_their_neighbours_alone(tmp_path, capsys):
    found = run(tmp_path, "none,paper,labels_all")
    none, paper, labels = found.values()
    assert none["rounds"] == []
    assert [r["anchors"] for r in paper["rounds"]] == [150, 300]
    assert [r["right"] for r in labels["rounds"]] == [1.0, 1.0]
    assert none["flags"]["initial_epochs"] == 3
    assert none["knn"] != labels["knn"]
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("none ")]
    # What is there is not trained again, and the shared part is kept, so that
    # an arm that is repeated is the same.
    (tmp_path / "none.json").unlink()
    capsys.readouterr()
    again = run(tmp_path, "none,paper")
    assert again["none"]["knn"] == none["knn"]
    assert "Epoch 1/" not in capsys.readouterr().out
    run_main = [*FLAGS, f"--output_dir={tmp_path}", "--cosines"]
    mains.run("benchmarks.neighbours", [*run_main, "--arms=none,labels_all"])
    lines = capsys.readouterr().out.splitlines()
    itself, of_class = (json.loads(line.partition(" ")[2]) for line in lines)
    assert itself["clean"] == itself["right"] == pytest.approx(1, abs=1e-3)
    assert itself["wrong"] is of_class["wrong"] is None
    assert of_class["clean"] < 1
    assert 0 < of_class["rows"] < 1
    (tmp_path / "none.json").unlink()
    said = mains.refusal(
        "benchmarks.neighbours",
        [*FLAGS, f"--output_dir={tmp_path}", "--seed=1"],
        capsys,
    ).err
    assert "the flags with which" in said
    assert '"initial_epochs": 3' in said


def test_neighbours_of_another_run_are_its_own(tmp_path, capsys):
    other = tmp_path / "other"
    mains.run(
        "and_tf.train",
        ["--dataset=digits", "--encoder=small", "--embedding_dim=16",
         "--max_train_examples=300", "--max_test_examples=100", "--rounds=0",
         "--initial_epochs=1", "--bank_initialiser=encoder", "--nobaselines",
         f"--run_dir={other}"],
    )  # fmt: skip
    place = tmp_path / "arms"
    found = run(place, "run_all", f"--rows_run={other}")["run_all"]
    teacher = and_tf.Run(other)
    similarity = teacher.train_embeddings @ teacher.train_embeddings.T
    np.fill_diagonal(similarity, -np.inf)
    labels = teacher.images.train.labels
    right = (labels[similarity.argmax(axis=1)] == labels).mean()
    # Whatever the student learns, they stay what they are.
    assert [r["right"] for r in found["rounds"]] == [pytest.approx(right)] * 2
    assert found["rows_of"] == "small on digits"
    said = mains.refusal(
        "benchmarks.neighbours",
        [*FLAGS, "--max_train_examples=200", "--arms=run_all",
         f"--rows_run={other}", f"--output_dir={tmp_path / 'more'}"],
        capsys,
    ).err  # fmt: skip
    assert "of 300 images, and not" in said
    assert not (tmp_path / "more" / "shared.npz").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--arms=best"], "--arms among none, paper"),
        (["--arms=run_all"], "Expected --rows_run, a run in whose"),
        (["--branch_epoch=3"], "below --initial_epochs=3. Received: 3"),
    ],
)
def test_wrong_flags_are_refused(tmp_path, capsys, flags, message):
    said = mains.refusal(
        "benchmarks.neighbours",
        [*FLAGS, f"--output_dir={tmp_path}", *flags],
        capsys,
    ).err
    assert message in said


def test_images_without_labels_are_refused(tmp_path, capsys, rng):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(12):
        pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    said = mains.refusal(
        "benchmarks.neighbours",
        [*FLAGS, "--dataset=folder", f"--data_dir={photos}",
         f"--output_dir={tmp_path / 'arms'}", "--image_size=16"],
        capsys,
    ).err  # fmt: skip
    assert "images with labels" in said
