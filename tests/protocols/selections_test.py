"""The protocol of selection rules, held against NumPy."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from and_tf import protocols
from and_tf.data.pipeline import clean_batches
from and_tf.data.split import ImageData
from and_tf.protocols.config import Options
from and_tf.training import trainer
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from tests.protocols.protocols_test import config


@pytest.fixture(scope="module")
def again(tmp_path_factory) -> Run:
    path = tmp_path_factory.mktemp("finished") / "run"
    trainer.train(config(path))
    return Run(path)


def test_selections_are_those_of_numpy(again, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(again.directory.path, other)
    figures = protocols.evaluate(
        again, ["selections"], Options(selections_beside=str(other))
    )["selections"]
    labels, count = again.images.train.labels, 400
    split, side = again.images.train, again.image_size
    images = np.concatenate([x for x, _ in clean_batches(split, side, 100)])
    clean = again.encoder.predict(images, verbose=0)
    mirrored = again.encoder.predict(images[:, :, ::-1], verbose=0)
    averaged = clean + mirrored
    averaged /= np.linalg.norm(averaged, axis=1, keepdims=True)

    def search(rows):
        similarity = rows @ rows.T
        np.fill_diagonal(similarity, -np.inf)
        return similarity, similarity.argmax(1)

    spaces = {"bank": again.bank_rows(), "clean": clean, "averaged": averaged}
    same = search(clean)[1] == search(mirrored)[1]
    for name, rows in spaces.items():
        similarity, nearest = search(rows)
        right = labels[nearest] == labels
        logits = rows @ rows.T / again.config.temperature
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        entropy = -(p * np.log(p)).sum(1)
        masks = {
            "all": np.ones(count, bool),
            "entropy_quarter": entropy <= np.sort(entropy)[count // 4 - 1],
            "similarity_half": similarity.max(1)
            >= np.sort(similarity.max(1))[count // 2],
            "mutual": nearest[nearest] == np.arange(count),
            "mirrored": same,
            "beside": np.ones(count, bool),
        }
        rules = figures["spaces"][name]["rules"]
        for rule, mask in masks.items():
            assert rules[rule]["selected"] == pytest.approx(
                mask.mean(), abs=0.006
            )
            assert rules[rule]["right"] == pytest.approx(
                right[mask].mean(), abs=0.01
            )
        order = np.argsort(-similarity, axis=1)[:, :20]
        assert figures["spaces"][name]["right_of_nearest"] == pytest.approx(
            (labels[order] == labels[:, None]).mean(), abs=1e-3
        )


def test_other_images_and_no_labels_are_refused(again, tmp_path):
    other = tmp_path / "other"
    trainer.train(config(other, max_train_examples=300))
    with pytest.raises(InputError, match="300 images, and not"):
        protocols.evaluate(
            again, ["selections"], Options(selections_beside=str(other))
        )
    with pytest.raises(InputError, match="Expected"):
        protocols.evaluate(
            again,
            ["selections"],
            Options(selections_beside=str(tmp_path / "nowhere")),
        )
    bare = Run(again.directory.path)
    split = dataclasses.replace(again.images.train, labels=None)
    bare.__dict__.update(images=ImageData("digits", split, None))
    with pytest.raises(InputError, match="Expected labels for --protocols=sel"):
        protocols.evaluate(bare, ["selections"])
