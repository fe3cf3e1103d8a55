"""Which images are learnt from, held out and tested on; tables of labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from and_tf import data
from and_tf.data.split import ImageData, in_memory
from and_tf.finetuning import labelling
from and_tf.finetuning.config import FinetuneConfig
from and_tf.utils.errors import InputError


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return data.load("digits", max_train_examples=400, max_test_examples=100)


def made(**flags) -> FinetuneConfig:
    return FinetuneConfig(run_dir="run", **flags)


def rows(split) -> set[bytes]:
    return {image.tobytes() for image in split.images}


def test_parts_do_not_overlap(digits):
    found = labelling.choose(digits, made(labelled_fraction=0.5))
    parts = [rows(s) for s in (found.learn, found.held_out, found.test)]
    assert [len(part) for part in parts] == [
        found.learn.size, found.held_out.size, 100,
    ]  # fmt: skip
    assert not parts[0] & parts[1] and not (parts[0] | parts[1]) & parts[2]
    assert parts[0] | parts[1] < rows(digits.train)
    assert parts[2] == rows(digits.test)
    assert found.dataset_labels == list(range(10))


def test_labels_stay_with_their_images(digits):
    found = labelling.choose(digits, made(labelled_fraction=0.3))
    label_of = {
        image.tobytes(): label
        for image, label in zip(
            digits.train.images, digits.train.labels, strict=True
        )
    }
    for split in (found.learn, found.held_out):
        for image, label in zip(split.images, split.labels, strict=True):
            assert label_of[image.tobytes()] == label


@pytest.mark.parametrize("fraction", [0.001, 0.1, 1.0])
def test_a_share_of_each_class_is_drawn(rng, fraction):
    labels = np.repeat([0, 1, 2, -1], [200, 50, 3, 40])
    rng.shuffle(labels)
    chosen = labelling.draw(labels, fraction, seed=3)
    assert (np.diff(chosen) > 0).all()
    counts = np.bincount(labels[chosen], minlength=3)
    expected = [max(1, round(fraction * n)) for n in (200, 50, 3)]
    assert counts.tolist() == expected
    again = labelling.draw(labels, fraction, seed=3)
    np.testing.assert_array_equal(chosen, again)
    assert {*chosen} <= {*labelling.draw(labels, min(1, 3 * fraction), 3)}
    if fraction == 0.1:
        assert {*chosen} != {*labelling.draw(labels, fraction, seed=4)}


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_one_image_of_each_class_is_learnt_from(share):
    labels = np.repeat([0, 1, 2], [1, 2, 100])
    held = labelling.hold_out(labels, share, seed=0)
    counts = np.bincount(labels[held], minlength=3)
    assert counts.tolist() == [0, 1, round(100 * share)]


def test_no_label_to_hold_out_is_refused(digits):
    with pytest.raises(InputError, match="10 labels of 10 classes"):
        labelling.choose(digits, made(labelled_fraction=0.001))


def write(path, lines) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_table_labels_the_images_that_it_names(digits, tmp_path):
    truth = digits.train.labels
    lines = [f"{n},{truth[n]}" for n in range(60) if truth[n] != 4]
    # Twice the same, which is no contradiction; and a column of others.
    table = write(tmp_path / "labels.csv", ["file,label", *lines, lines[0]])
    found = labelling.choose(digits, made(labels=table))
    assert found.available == found.used == len(lines)
    assert found.class_names == tuple("012356789")
    assert found.dataset_labels == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    # What was never learnt is not asked for.
    fours = int((digits.test.labels == 4).sum())
    assert found.left_out == fours and found.test.size == 100 - fours
    for split in (found.learn, found.held_out):
        assert rows(split) <= rows(digits.train)


def test_a_table_may_have_other_classes(digits, tmp_path):
    odd = [f"{n},{'odd' if n % 2 else 'even'}" for n in range(40)]
    table = write(tmp_path / "labels.csv", ["label,file", *map(flipped, odd)])
    found = labelling.choose(digits, made(labels=table))
    assert found.class_names == ("even", "odd")
    assert found.test is None and found.dataset_labels is None


def flipped(line: str) -> str:
    name, _, label = line.partition(",")
    return f"{label},{name}"


def test_a_table_names_files_of_both_splits(tmp_path):
    """By their paths, as a folder without classes has them."""

    def split(name):
        images = np.zeros((6, 8, 8, 3), np.uint8)
        files = tuple(f"{name}/{i}.png" for i in range(6))
        return in_memory(f"folder/{name}", images, None, file_names=files)

    images = ImageData("folder", split("train"), split("test"))
    lines = [f"./{s}/{i}.png,{'ab'[i % 2]}" for s in ("train", "test")
             for i in range(5)]  # fmt: skip
    table = write(tmp_path / "labels.csv", ["file,label", *lines])
    found = labelling.choose(images, made(labels=table))
    assert (found.used, found.test.size, found.left_out) == (5, 5, 0)
    assert found.test.labels.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["file,label", "0,1", "0,2"], "'0' has the label '1' and, in line 3"),
        (["file,label", "0,1", "9999,2"], "1 others, such as '9999'"),
        (["file,label", "0,1", "1,"], "line 3 has no label"),
        (["file,label", ",1"], "line 2 has no file"),
        (["image,label", "0,1"], "no column 'file', only image, label"),
        ([""], "it is empty"),
        (["file,label", "0,1", "1,cat"], "'cat', which is none of 0, 1, 2"),
        (["file,label", "0,1"], "2 or more classes"),
        (["file,label", '0,"1'], "unexpected end of data"),
        (["file,label", "0,1", "1,2"], "held out to choose the epoch"),
    ],
)
def test_faults_of_a_table_are_told(digits, tmp_path, lines, said):
    table = write(tmp_path / "labels.csv", lines)
    with pytest.raises(InputError, match=said):
        labelling.choose(digits, made(labels=table))


@pytest.mark.parametrize("content", [None, b"file,label\n0,\xff\n"])
def test_a_table_that_cannot_be_read_is_told(digits, tmp_path, content):
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="Expected a table for --labels"):
        labelling.choose(digits, made(labels=str(path)))


def test_images_without_labels_are_refused(digits):
    bare = dataclasses.replace(
        digits, train=dataclasses.replace(digits.train, labels=None)
    )
    with pytest.raises(InputError, match="2 or more classes"):
        labelling.choose(bare, made())
