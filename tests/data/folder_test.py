"""Folders of image files, against Pillow and hand-made files."""

from __future__ import annotations

import os
import pathlib
import pickle
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from and_tf.data import folder, image_file
from and_tf.data.in_memory import hold, readable_batches
from and_tf.data.split import Split
from and_tf.data.walking import summaries
from and_tf.utils.errors import InputError
from tests.hostile import bomb


def _write(path: pathlib.Path, colour: int = 0, size=(5, 4), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour, 0, 0)).save(path, **options)


def _names(split: Split) -> list[str]:
    return [one.name for one in split.skipped]


def _colours(images: np.ndarray) -> list[int]:
    return [int(colour) for colour in images[:, 0, 0, 0]]


@pytest.fixture
def photos(tmp_path: pathlib.Path) -> pathlib.Path:
    """Two classes to train on, one of them and a third to test with."""
    _write(tmp_path / "train/cat/b.png", 10)
    _write(tmp_path / "train/cat/deep/deeper/A.PNG", 20)
    _write(tmp_path / "train/cat-big/z.bmp", 30)
    _write(tmp_path / "val/cow/c.gif", 40)
    _write(tmp_path / "val/cat/d.webp", 50, lossless=True)
    (tmp_path / "train/cat/notes.txt").write_text("no image")
    (tmp_path / "train/cat/.hidden.png").write_text("no image")
    return tmp_path


def test_classes_splits_and_order(photos: pathlib.Path) -> None:
    data = folder.read(str(photos))
    train, test = hold(data.train, None), hold(data.test, None)
    assert train.file_names == (
        "train/cat/b.png", "train/cat/deep/deeper/A.PNG", "train/cat-big/z.bmp",
    )  # fmt: skip
    assert _colours(train.images) == [10, 20, 30]
    assert train.class_names == test.class_names == ("cat", "cat-big", "cow")
    assert train.labels.tolist() == [0, 0, 1]
    assert test.labels.tolist() == [0, 2]
    assert test.file_names == ("val/cat/d.webp", "val/cow/c.gif")
    assert _colours(test.images) == [50, 40]
    assert (train.image_shape, train.skipped) == ((4, 5), ())


def test_split_folders_can_be_named(photos: pathlib.Path) -> None:
    data = folder.read(str(photos), "val", "train")
    assert (data.train.size, data.test.size) == (2, 3)
    _write(photos / "test/cat/e.png")
    assert folder.read(str(photos)).test.name == "folder/test"
    assert folder.read(str(photos), test_split="val").test.size == 2
    with pytest.raises(InputError, match="'holdout'"):
        folder.read(str(photos), "holdout")
    with pytest.raises(InputError, match="--train_split"):
        folder.read(str(photos / "val"), test_split="cat")


def test_images_without_classes_have_no_labels(tmp_path: pathlib.Path) -> None:
    _write(tmp_path / "b.png", 1)
    _write(tmp_path / "a.png", 2, size=(2, 2))
    data = folder.read(str(tmp_path))
    assert data.test is None
    assert data.train.labels is None and data.train.class_names is None
    assert data.train.file_names == ("a.png", "b.png")
    assert data.train.image_shape is None
    _write(tmp_path / "cat/c.png")
    assert folder.read(str(tmp_path)).train.labels.tolist() == [-1, -1, 0]


def test_streams_in_an_order_drawn_from_a_seed(photos: pathlib.Path) -> None:
    train = folder.read(str(photos)).train
    dataset = tf.data.Dataset.range(20).flat_map(
        lambda epoch: train.stream(tf.stack([np.int64(1), epoch]))
    )
    orders = []
    for image, number in dataset:
        assert image[0, 0, 0] == [10, 20, 30][number]
        orders.append(int(number))
    orders = np.reshape(orders, (20, 3))
    assert (np.sort(orders) == range(3)).all()
    assert len(np.unique(orders, axis=0)) > 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_images_are_turned_upright(tmp_path: pathlib.Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise by a quarter.
    pixels = np.zeros((16, 8, 3), np.uint8)
    pixels[:, :, 0] = np.arange(16)[:, None] * 16
    Image.fromarray(pixels).save(path, exif=exif)
    split = folder.read(str(tmp_path)).train
    assert split.image_shape == (8, 16)
    image = hold(split, None).images[0].astype(int)
    np.testing.assert_allclose(image, np.rot90(pixels, -1), atol=12)


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> pathlib.Path:
    """Two good images among five that cannot be read."""
    _write(tmp_path / "a/good.png", 10)
    _write(tmp_path / "b/good.png", 20)
    (tmp_path / "a/empty.jpg").touch()
    (tmp_path / "a/text.jpg").write_text("this is no image")
    (tmp_path / "b/vector.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")
    _write(tmp_path / "b/cut.bmp", size=(40, 30))
    cut = tmp_path / "b/cut.bmp"
    cut.write_bytes(cut.read_bytes()[:500])
    Image.new("F", (5, 4)).save(tmp_path / "b/depth.tif")
    return tmp_path


def test_what_cannot_be_read_is_left_out(broken: pathlib.Path) -> None:
    split = folder.read(str(broken)).train
    assert _names(split) == [
        "a/empty.jpg", "a/text.jpg", "b/depth.tif", "b/vector.png",
    ]  # fmt: skip
    assert split.skipped[2].reason == (
        "of float32 values without a --pixel_range"
    )
    held = hold(split, 4)
    assert _names(held) == [
        "a/empty.jpg", "a/text.jpg", "b/cut.bmp", "b/depth.tif", "b/vector.png",
    ]  # fmt: skip
    assert held.file_names == ("a/good.png", "b/good.png")
    assert held.labels.tolist() == [0, 1]
    assert _colours(held.images) == [10, 20]


def test_a_stream_names_the_file_that_it_cannot_read(
    broken: pathlib.Path,
) -> None:
    split = folder.read(str(broken)).train
    with pytest.raises(tf.errors.InvalidArgumentError, match="b/cut.bmp"):
        list(split.stream(None))


def test_pillows_limit_on_pixels_is_an_error_of_one_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "bomb.png", size=(30, 30))
    _write(tmp_path / "good.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    split = folder.read(str(tmp_path)).train
    assert split.file_names == ("good.png",)
    assert _names(split) == ["bomb.png"]


def test_links_are_followed_but_never_round(tmp_path: pathlib.Path) -> None:
    _write(tmp_path / "elsewhere/a.png")
    photos = tmp_path / "photos"
    _write(photos / "dog/b.png")
    os.symlink(tmp_path / "elsewhere", photos / "cat")
    os.symlink(photos, photos / "dog/loop")
    os.symlink(photos / "dog", photos / "dog/self")
    os.symlink(tmp_path / "nowhere.png", photos / "dog/dangling.png")
    split = folder.read(str(photos)).train
    assert split.file_names == ("cat/a.png", "dog/b.png")
    assert [(one.name, one.reason.split()[-1]) for one in split.skipped] == [
        ("dog/dangling.png", "nothing"),
        ("dog/loop", "already"),
        ("dog/self", "already"),
    ]


def test_what_is_no_folder_of_images(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="--data_dir"):
        folder.read(None)
    with pytest.raises(InputError, match="no folder"):
        folder.read(str(tmp_path / "missing"))
    with pytest.raises(InputError, match="Received: none"):
        folder.read(str(tmp_path))
    (tmp_path / "x.png").touch()
    with pytest.raises(InputError, match="Received: 1 that cannot be read"):
        folder.read(str(tmp_path))


def test_read_all_takes_every_image_and_checks_none(tmp_path) -> None:
    for name in ("b/1.png", "a/deep/2.png", "test/3.png", "0.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4)).save(path)
    (tmp_path / "a" / "broken.jpg").write_text("no image")
    (tmp_path / "a" / "notes.txt").write_text("no image either")
    split = folder.read_all(str(tmp_path))
    assert split.file_names == (
        "0.png", "a/broken.jpg", "a/deep/2.png", "b/1.png", "test/3.png",
    )  # fmt: skip
    assert split.class_names == ("a", "b", "test")
    np.testing.assert_array_equal(split.labels, [-1, 0, 0, 1, 2])
    readable = [
        good
        for _, good, _ in readable_batches(
            split, (8, 8, 3), 8, batch_size=2, first=1
        ).as_numpy_iterator()
    ]
    np.testing.assert_array_equal(
        np.concatenate(readable), [False, True, True, True]
    )


def test_read_all_refuses_what_holds_no_image(tmp_path) -> None:
    with pytest.raises(InputError, match="Expected images .* Received: none"):
        folder.read_all(str(tmp_path))
    with pytest.raises(InputError, match="Expected a folder of images"):
        folder.read_all(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("side", [20_000, 100_000, 2**31 - 1])
@pytest.mark.filterwarnings("error")
def test_an_image_that_would_fill_the_memory_is_left_out(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(bomb(side))
    _write(tmp_path / "good.png")
    split = folder.read(str(tmp_path)).train
    assert split.file_names == ("good.png",)
    (skipped,) = split.skipped
    assert skipped == ("bomb.png", "that have more than 170,000,000 pixels")
    with pytest.raises((ValueError, Image.DecompressionBombError)):
        image_file.read_image(str(tmp_path / "bomb.png"))


def test_only_image_formats_are_opened_whatever_the_name_says(tmp_path):
    """PostScript would be run by another program."""
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n(hello) print")
    (tmp_path / "b.jpg").write_bytes(pickle.dumps(print))
    _write(tmp_path / "good.png")
    split = folder.read(str(tmp_path)).train
    assert _names(split) == ["a.png", "b.jpg"]


def test_names_that_are_no_utf8_can_be_read_and_written(tmp_path):
    """As of an archive from another age; such names open their files."""
    _write(tmp_path / "train" / os.fsdecode(b"caf\xe9") / "a.png", 10)
    _write(tmp_path / "train" / "tea" / os.fsdecode(b"\xe9.png"), 20)
    (tmp_path / "train" / "tea" / os.fsdecode(b"bad\xe9.png")).write_bytes(b"")
    train = folder.read(str(tmp_path)).train
    assert train.class_names == ("caf\\udce9", "tea")
    assert _names(train) == ["train/tea/bad\\udce9.png"]
    assert _colours(hold(train, None).images) == [10, 20]


def test_names_that_look_alike_are_one_class(tmp_path):
    """macOS takes accents apart, most other systems do not."""
    for split, form in (("train", "NFD"), ("test", "NFC")):
        _write(tmp_path / split / unicodedata.normalize(form, "café") / "a.png")
    data = folder.read(str(tmp_path))
    assert data.train.class_names == data.test.class_names == ("caf\xe9",)
    assert data.train.labels.tolist() == data.test.labels.tolist() == [0]
    (file,) = hold(data.train, None).file_names  # As it is on the disk.
    assert file == f"train/{unicodedata.normalize('NFD', 'café')}/a.png"


def test_a_class_without_an_image_that_can_be_read_is_none(tmp_path):
    _write(tmp_path / "cat/a.png")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog/b.png").write_text("no image")
    assert folder.read(str(tmp_path)).train.class_names == ("cat",)


def test_what_is_no_image_here_is_named_with_the_reason(tmp_path):
    for name in ("scan.DCM", "logo.svg", "photo.cr2"):
        (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(InputError, match="1 whose format .dcm is not read"):
        folder.read(str(tmp_path))
    _write(tmp_path / "a.png")
    split = folder.read(str(tmp_path)).train
    assert list(summaries(split.skipped)) == [
        "1 whose format .svg is not read here: logo.svg",
        "1 whose format .cr2 is not read here: photo.cr2",
        "1 whose format .dcm is not read here: scan.DCM",
    ]
    assert folder.read_all(str(tmp_path)).skipped == split.skipped


def test_dark_values_of_16_bits_are_remarked(tmp_path):
    def remarks(most: int) -> tuple[str, ...]:
        for number in range(20):
            values = np.linspace(0, most, 20).reshape(4, 5).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / f"{number}.png")
        return folder.read(str(tmp_path)).remarks

    (remark,) = remarks(4095)
    assert "20 images have grey values of 16 bits" in remark
    assert "above 4,095 of 65,535" in remark
    assert remarks(65535) == ()


def test_splits_below_classes_are_remarked(tmp_path):
    for name in ("cat/train", "cat/test", "dog/train"):
        _write(tmp_path / name / "a.png")
    (remark,) = folder.read(str(tmp_path)).remarks
    assert remark.startswith("test, train: folders below classes, not told")


def test_layouts_remarks_are_those_of_the_data(tmp_path):
    for name in ("train/a", "test/a", "more"):
        _write(tmp_path / name / "1.png")
    assert folder.read(str(tmp_path)).remarks[0].startswith("more/: beside")
