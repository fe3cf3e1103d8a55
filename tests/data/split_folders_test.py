"""Folders that are splits, by the names that data sets have."""

from __future__ import annotations

import pathlib

import pytest

from and_tf.data import split_folders
from and_tf.utils.errors import InputError


@pytest.fixture
def layout(tmp_path: pathlib.Path):
    """Finds the splits of folders that each hold one image."""

    def find(*folders: str, **options: str) -> split_folders.Layout:
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "1.png").touch()
        return split_folders.find(str(tmp_path), **options)

    return find


@pytest.mark.parametrize(
    ("folders", "train", "test"),
    [
        (["train/a", "test/a"], "train", "test"),
        (["train/a", "val/a"], "train", "val"),
        (["train/a", "valid/a"], "train", "valid"),
        (["Training/a", "Testing/a"], "Training", "Testing"),
        (["TRAIN/a", "TEST/a"], "TRAIN", "TEST"),
        (["Train/a", "Dev/a"], "Train", "Dev"),
        (["train/a", "eval/a"], "train", "eval"),
        (["training_set", "test_set"], "training_set", "test_set"),
        (["trainset", "testset"], "trainset", "testset"),
        (["TrainImages", "TestImages"], "TrainImages", "TestImages"),
        (["train2017", "val2017"], "train2017", "val2017"),
        (["imgs_train", "imgs_valid"], "imgs_train", "imgs_valid"),
        (["seg_train/a", "seg_test/a"], "seg_train", "seg_test"),
        (
            ["seg_train/seg_train/a", "seg_test/seg_test/a"],
            "seg_train/seg_train",
            "seg_test/seg_test",
        ),
        (["images/train", "images/val"], "images/train", "images/val"),
        (["x/y/train/a", "x/y/test/a"], "x/y/train", "x/y/test"),
        (["train/train/a", "test/a"], "train/train", "test"),
        (["train/a"], "train", None),
        (["Train/a"], "Train", None),
        (["a", "b"], ".", None),
        (["a"], ".", None),
    ],
)
def test_splits_are_found(layout, folders, train, test):
    assert layout(*folders) == (split_folders.Layout(train, test))


@pytest.mark.parametrize(
    ("folders", "train", "test", "words"),
    [
        # Classes, one of them of trains.
        (["bus", "freight_train"], ".", None, "freight_train/: called like"),
        (["bus", "Train"], ".", None, "Train/: called like splits"),
        (["bus", "test"], ".", None, "test/: called like splits, but without"),
        (["train/a", "bus"], "train", None, "bus/: beside the splits"),
        (["train", "test", "val"], "train", "test", "val/: beside the splits"),
        (
            ["seg_train", "seg_test", "seg_pred"],
            "seg_train",
            "seg_test",
            "seg_pred/: beside",
        ),
        (["train/a", "night_test/a"], "train", None, "night_test/: beside"),
    ],
)
def test_what_is_not_taken_is_said(layout, folders, train, test, words):
    found = layout(*folders)
    assert (found.train, found.test) == (train, test)
    (remark,) = found.remarks
    assert words in remark


def test_folders_without_images_are_no_concern(layout, tmp_path):
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/1.txt").touch()
    (tmp_path / "__MACOSX/x").mkdir(parents=True)
    (tmp_path / "__MACOSX/x/._1.png").touch()
    found = layout("images/train", "images/val")
    assert found == split_folders.Layout("images/train", "images/val")


def test_images_beside_the_splits_are_said(layout, tmp_path):
    (tmp_path / "1.png").touch()
    (remark,) = layout("train", "test").remarks
    assert remark.startswith("images directly in")


def test_named_splits_are_taken(layout):
    options = {"train_split": "day/train", "test_split": "night/test"}
    found = layout("day/train", "day/test", "night/test", **options)
    assert (found.train, found.test) == ("day/train", "night/test")
    assert found.remarks == (
        "day/test/: beside the splits, not read. Name other splits with "
        "--train_split and --test_split.",
    )
    found = layout(train_split="day/train")
    assert (found.train, found.test) == ("day/train", "day/test")
    found = layout(train_split="day/test")  # Never the training images again.
    assert (found.train, found.test) == ("day/test", None)


def test_a_named_split_has_to_be_there(layout):
    with pytest.raises(InputError, match="'nowhere', which it does not hold"):
        layout("a/b", train_split="nowhere")
    with pytest.raises(InputError, match="Name it with --train_split"):
        layout(test_split="a")


@pytest.mark.parametrize("name", ["trainers", "contest", "train_test", "a", ""])
def test_other_names_are_no_splits(name):
    assert split_folders.split_name(name) is None
