"""`load`: names, sizes, subsets, memory or stream."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
from PIL import Image

from and_tf import data
from and_tf.data import cifar10
from and_tf.data.split import Split, in_memory
from and_tf.utils.errors import InputError
from tests.data import tiny_tfds


@pytest.fixture
def tfds_dir(tmp_path: pathlib.Path) -> str:
    for name in ("tiny_colour", "tiny_grey"):
        tiny_tfds.prepare(name, tmp_path)
    return str(tmp_path)


def _folder(root: pathlib.Path, sizes: list[tuple[int, int]]) -> str:
    """Images to train and to test with, of the given (width, height)."""
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for number, size in enumerate(sizes):
            image = Image.new("RGB", size, (number, 0, 0))
            image.save(root / split / f"{number}.png")
    return str(root)


def _numbers(split: Split) -> list[int]:
    return [int(number) for _, number in split.stream(None)]


@pytest.mark.parametrize(
    ("shape", "asked", "expected"),
    [
        ((32, 32), 0, 32), ((96, 96), 0, 96), ((97, 97), 0, 224),
        ((48, 64), 0, 48), (None, 0, 224), ((32, 32), 64, 64), (None, 64, 64),
    ],
)  # fmt: skip
def test_image_size(
    shape: tuple[int, int] | None, asked: int, expected: int
) -> None:
    split = Split("s", 1, shape, lambda seed: None, None)
    assert data.resolve_image_size(asked, split) == expected


@pytest.mark.parametrize(
    ("sizes", "image_size", "train_side", "test_side"),
    [
        ([(20, 20)] * 2, 10, 20, 20),  # One square size of at most twice 10:
        ([(20, 20)] * 2, 40, 20, 20),  # as it is.
        ([(21, 21)] * 2, 10, 11, 10),  # Larger: 8/7 of 10 to train on.
        ([(20, 21), (30, 20)], 14, 16, 14),  # As where sizes differ,
        ([(20, 21), (9, 9)], 14, 16, 14),  # be they less.
        ([(20, 30)] * 2, 14, 16, 14),  # One shape but no square,
        ([(12, 30)] * 2, 14, 12, 12),  # and with less: never enlarged.
        ([(12, 30)] * 2, 0, 12, 12),
        ([(300, 200)] * 2, 0, 200, 200),
        ([(300, 200), (200, 300)], 0, 256, 224),
    ],
)
def test_what_is_held_in_memory(
    tmp_path: pathlib.Path, sizes: list[tuple[int, int]], image_size: int,
    train_side: int, test_side: int,
) -> None:  # fmt: skip
    root = _folder(tmp_path, sizes)
    loaded = data.load("folder", root, image_size=image_size)
    for split, side in ((loaded.train, train_side), (loaded.test, test_side)):
        assert split.image_shape == (side, side)
        assert split.images.shape == (len(sizes), side, side, 3)
        assert split.images[:, 0, 0, 0].tolist() == list(range(len(sizes)))
    if not image_size:  # Asked again of what is held, the answer is the same.
        found = data.resolve_image_size(0, loaded.train)
        assert found in (test_side, 224)


def test_what_does_not_fit_is_streamed(tmp_path: pathlib.Path) -> None:
    root = _folder(tmp_path, [(16, 16), (14, 14)])
    limit = 2 * 16 * 16 * 3
    options = dict(image_size=14, memory_limit=limit)
    loaded = data.load("folder", root, **options)
    assert loaded.train.images is not None and loaded.test.images is not None
    options["memory_limit"] -= 1
    loaded = data.load("folder", root, **options)
    assert loaded.train.images is None and loaded.test.images is not None
    sizes = [image.shape[0] for image, _ in loaded.train.stream(None)]
    assert sizes == [16, 14]


@pytest.mark.parametrize("memory_limit", [0, 10**9])
def test_subsets_are_fixed_by_the_seed_alone(
    tfds_dir: str, memory_limit: int
) -> None:
    def load(**options: int) -> data.ImageData:
        return data.load(
            "tiny_grey", tfds_dir, memory_limit=memory_limit, **options
        )

    def pixels(split: Split) -> list[int]:
        return [int(image[0, 0, 0]) for image, _ in split.stream(None)]

    everything = pixels(load().train)
    loaded = load(max_train_examples=4, max_test_examples=1)
    kept = pixels(loaded.train)
    assert (loaded.train.size, loaded.test.size) == (4, 1)
    assert _numbers(loaded.train) == list(range(4))
    assert kept == [pixel for pixel in everything if pixel in kept]
    assert kept == pixels(load(max_train_examples=4).train)
    subsets = {
        tuple(pixels(load(max_train_examples=4, seed=seed).train))
        for seed in range(4)
    }
    assert len(subsets) > 1
    assert pixels(load(max_train_examples=99).train) == everything


def test_a_tfds_name_has_its_usual_splits_and_label(tfds_dir: str) -> None:
    loaded = data.load("tiny_colour", tfds_dir, image_size=4)
    assert loaded.name == "tiny_colour"
    assert loaded.train.name == "tiny_colour/train"
    assert loaded.test.name == "tiny_colour/test"
    assert loaded.train.class_names == ("a", "b", "c")
    assert np.bincount(loaded.train.labels).tolist() == [4, 4, 3]
    grey = data.load("tiny_grey", tfds_dir)
    assert grey.test.name == "tiny_grey/validation"
    assert grey.train.labels is None


def test_splits_and_label_can_be_named(tfds_dir: str) -> None:
    loaded = data.load(
        "tiny_colour", tfds_dir, image_size=4, label_key="coarse",
        train_split="train+unlabelled", test_split="test[:3]",
    )  # fmt: skip
    assert (loaded.train.size, loaded.test.size) == (16, 3)
    assert loaded.test.class_names == ("x", "y")
    loaded = data.load(
        "tiny_colour", tfds_dir, image_size=4, train_split="train+unlabelled"
    )
    assert np.bincount(loaded.train.labels + 1).tolist() == [5, 4, 4, 3]


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("stl10", "train+unlabelled", "test"),
        ("imagenet2012", "train", "validation"),
    ],
)
def test_some_names_have_other_splits(
    name: str, train: str, test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Builder:
        class info:
            splits = ("test", "train", "unlabelled", "validation")

    Builder.name = name
    monkeypatch.setattr("and_tf.data.builder.open_builder", lambda *_: Builder)
    monkeypatch.setattr(
        "and_tf.data.from_tfds.read",
        lambda _, split, *more: in_memory(
            split, np.zeros((1, 4, 4, 3), np.uint8), None
        ),
    )
    loaded = data.load(name)
    assert (loaded.train.name, loaded.test.name) == (train, test)


def test_cifar10_has_sources_of_its_own(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(builder: object) -> None:
        raise InputError("nowhere to be had")

    monkeypatch.setattr(cifar10, "prepare", prepare)
    with pytest.raises(InputError, match="nowhere to be had"):
        data.load("cifar10", str(tmp_path))


def test_digits() -> None:
    loaded = data.load("digits", max_train_examples=100, memory_limit=0)
    assert loaded.train.images.shape == (100, 8, 8, 3)
    assert loaded.test.size == 360
    assert data.resolve_image_size(0, loaded.train) == 8


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digit", {}, "Did you mean digits"),
        ("nothing at all", {}, "Received: 'nothing at all'"),
        ("digits", {"label_key": "label"}, "without --label_key"),
        ("digits", {"train_split": "train"}, "--train_split"),
        ("folder", {"label_key": "label"}, "without --label_key"),
        ("folder", {}, "--data_dir"),
        ("", {}, "Expected a data set.*Received: ''"),
    ],
)
def test_what_cannot_be_loaded(
    name: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        data.load(name, **options)


def test_a_folder_of_nothing_but_broken_images(tmp_path: pathlib.Path) -> None:
    root = _folder(tmp_path, [(40, 40)])
    path = tmp_path / "train" / "0.png"
    path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(InputError, match="none can be read.*train/0.png"):
        data.load("folder", root)
