"""What a run says of its images before it begins."""

from __future__ import annotations

import pathlib

import pytest
from PIL import Image

from and_tf import data
from and_tf.distribution.process_group import ProcessGroup
from and_tf.training import results
from and_tf.training.config import TrainConfig


@pytest.fixture
def photos(tmp_path: pathlib.Path) -> str:
    """Four splits' worth of folders, and what is no image in two of them."""
    for name in ("Train/cat", "Train/dog", "Test/cat", "more"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / name / "1.jfif", "JPEG")
    (tmp_path / "Train/cat/scan.dcm").touch()
    (tmp_path / "Train/dog/cut.jpg").touch()
    (tmp_path / "Test/cat/2.heic2").touch()  # Called like no image.
    return str(tmp_path)


def _printed(photos: str, capsys: pytest.CaptureFixture) -> list[str]:
    images = data.load("folder", photos, image_size=8)
    results.print_start(images, TrainConfig(), {}, ProcessGroup())
    return capsys.readouterr().out.splitlines()[1:]


def test_splits_classes_and_what_is_left_out_are_said(photos, capsys):
    assert _printed(photos, capsys) == [
        "folder/Train: 2 images, 9×9, in memory",
        "  left out 1 whose format .dcm is not read here: Train/cat/scan.dcm",
        "  left out 1 that cannot be read: Train/dog/cut.jpg",
        "folder/Test: 1 images, 9×9, in memory",
        "2 classes: cat, dog",
        "more/: beside the splits, not read. Name other splits with "
        "--train_split and --test_split.",
    ]


def test_many_classes_are_counted():
    assert results.describe_classes(["a"]) == "1 class: a"
    names = [str(number) for number in range(1_000)]
    assert results.describe_classes(names) == "1,000 classes"
