"""What --images= may name, against Pillow, NumPy and TFDS."""

from __future__ import annotations

import os
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from and_tf.data.in_memory import readable_batches
from and_tf.utils.errors import InputError
from export.embeddings import array_file, sources
from tests.data import tiny_tfds
from tests.export import stand_in

NOISE = stand_in.images(11, side=6)


@pytest.fixture
def photos(tmp_path, monkeypatch) -> pathlib.Path:
    """A folder of two classes, photos/, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, image in zip(("cat/b.png", "cat/a.PNG", "dog/c.png"), NOISE):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    data_dir = tmp_path_factory.mktemp("tfds")
    tiny_tfds.prepare("tiny_colour", data_dir)
    return str(data_dir)


def names(source: sources.Source) -> list[str]:
    return [source.name(number) for number in range(source.split.size)]


def decoded(source: sources.Source, first: int = 0) -> np.ndarray:
    """All images, through the batches that an extraction reads."""
    shape = 6, 6, 3
    batches = readable_batches(
        source.split, shape, None, batch_size=4, first=first
    )
    parts = list(batches.as_numpy_iterator())
    assert all(readable.all() for _, readable, _ in parts)
    numbers = np.concatenate([numbers for *_, numbers in parts])
    np.testing.assert_array_equal(numbers, range(first, source.split.size))
    return np.concatenate([images for images, *_ in parts])


def test_a_folder_has_a_class_for_each_folder_in_it(photos):
    source = sources.open_source("photos")
    assert names(source) == ["cat/a.PNG", "cat/b.png", "dog/c.png"]
    assert source.split.labels.tolist() == [0, 0, 1]
    assert source.split.class_names == ("cat", "dog")
    np.testing.assert_array_equal(decoded(source), NOISE[[1, 0, 2]])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("photos/**", ["cat/a.PNG", "cat/b.png", "dog/c.png"]),
        ("photos/*/[bc].png", ["cat/b.png", "dog/c.png"]),
        ("./photos/cat/a.PNG", ["cat/a.PNG"]),
    ],
)
def test_patterns_and_single_files_keep_their_names(photos, pattern, found):
    source = sources.open_source(pattern)
    start = "./photos/" if pattern.startswith("./") else "photos/"
    assert names(source) == [start + name for name in found]
    assert source.split.labels is None
    assert decoded(source).shape == (len(found), 6, 6, 3)


def test_names_that_are_no_utf_8_are_escaped(photos):
    os.rename("photos/dog/c.png", b"photos/dog/\xff.png")
    source = sources.open_source("photos")
    assert names(source)[2] == "dog/\\udcff.png"
    np.testing.assert_array_equal(decoded(source), NOISE[[1, 0, 2]])
    assert source.listing()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("chunk_bytes", [1, 300, 10**6])
@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"images": NOISE, "other": NOISE}, NOISE),
        ({"x": NOISE, "y": np.zeros((11, 2))}, NOISE),
        ({"images": NOISE[..., :1]}, np.repeat(NOISE[..., :1], 3, -1)),
        ({"x": NOISE[..., 0]}, np.repeat(NOISE[..., :1], 3, -1)),
    ],
    ids=["colour", "another name", "one channel", "grey"],
)
def test_arrays(tmp_path, monkeypatch, save, chunk_bytes, arrays, expected):
    monkeypatch.setattr(array_file, "_CHUNK_BYTES", chunk_bytes)
    save(tmp_path / "a.npz", **arrays)
    source = sources.open_source(str(tmp_path / "a.npz"))
    assert source.split.size == 11
    assert source.split.image_shape == (6, 6)
    assert names(source)[:2] == ["a.npz:0", "a.npz:1"]
    np.testing.assert_array_equal(decoded(source), expected)
    np.testing.assert_array_equal(decoded(source, 5), expected[5:])


def test_arrays_are_read_a_chunk_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(array_file, "_CHUNK_BYTES", 3 * NOISE[0].nbytes)
    np.savez_compressed(tmp_path / "a.npz", images=NOISE)
    header = array_file.Header(NOISE.shape, False, NOISE.dtype)
    chunks = list(array_file.chunks(tmp_path / "a.npz", "images", header))
    assert [len(images) for images, _ in chunks] == [3, 3, 3, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_an_array_may_have_labels_and_names(tmp_path, dtype):
    path = tmp_path / "a.npz"
    labels = np.arange(11) % 2
    np.savez(
        path,
        images=NOISE,
        labels=labels.astype(dtype),
        class_names=["even", "odd"],
        file_names=np.array([f"scan {i}" for i in range(11)], "S"),
    )
    source = sources.open_source(str(path))
    assert source.split.labels.dtype == np.int64
    assert source.split.labels.tolist() == labels.tolist()
    assert source.split.class_names == ("even", "odd")
    assert names(source)[10] == "scan 10"
    (found,) = sources.pictures(source.images, source.root, "", ["scan 10"])
    np.testing.assert_array_equal(found, NOISE[10])


@pytest.mark.parametrize("split", ["test", "train[3:]", "train+unlabelled"])
def test_splits_of_tfds(data_dir, split):
    source = sources.open_source(f"tfds:tiny_colour/{split}", data_dir)
    one_by_one = tfds.ReadConfig(interleave_cycle_length=1)
    builder = tfds.builder("tiny_colour", data_dir=data_dir)
    expected = list(
        tfds.as_numpy(builder.as_dataset(split, read_config=one_by_one))
    )
    assert names(source)[1] == f"tiny_colour/{split}:1"
    assert source.split.labels.tolist() == [e["label"] for e in expected]
    wanted = [2, 0, 2]
    found = sources.pictures(
        source.images,
        source.root,
        data_dir,
        [source.name(number) for number in wanted],
    )
    for number, image in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(image, expected[number]["image"])


def test_label_key_chooses_a_label_of_tfds(data_dir):
    source = sources.open_source("tfds:tiny_colour/test", data_dir, "coarse")
    assert source.split.class_names == ("x", "y")


def test_listing_tells_whether_something_changed(photos):
    def listing() -> str:
        return sources.open_source("photos").listing()

    first = listing()
    assert listing() == first
    os.utime("photos/cat/b.png", (1, 1))
    touched = listing()
    Image.fromarray(NOISE[3]).save("photos/cat/d.png")
    assert len({first, touched, listing()}) == 3


@pytest.mark.parametrize("images", ["photos", "photos/**/*.png", "a.npz"])
def test_pictures_by_name_from_elsewhere(photos, monkeypatch, images):
    np.savez("a.npz", images=NOISE)
    source = sources.open_source(images)
    wanted = [source.name(1), "gone.png", source.name(0)]
    expected = decoded(source)
    monkeypatch.chdir("/")
    first, gone, second = sources.pictures(images, source.root, "", wanted)
    assert gone is None
    np.testing.assert_array_equal([second, first], expected[:2])


def test_pictures_of_tfds_do_not_prepare_it(tmp_path):
    with pytest.raises(InputError, match="Received: nothing there"):
        sources.pictures("tfds:tiny_colour/test", "", str(tmp_path), ["x:1"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("nowhere", "Expected --images to name a folder.*'nowhere'"),
        ("nowhere/*.png", "Expected images .* in nowhere.*Received: none"),
        ("photos/*.txt", "Expected images .* in photos.*Received: none"),
        ("empty", "Expected images .* in empty"),
        ("tfds:tiny_colour", "Expected --images=tfds:<data set>/<split>"),
        ("tfds:tiny_colour/", "Expected --images=tfds:<data set>/<split>"),
        ("tfds:tiny_colour/tst", "Expected a split of tiny_colour"),
        ("tfds:tiny_color/test", "Did you mean.*tiny_colour"),
    ],
)
def test_no_images(photos, data_dir, images, message):
    os.mkdir("empty")
    with pytest.raises(InputError, match=message):
        sources.open_source(images, data_dir)


def test_label_key_is_of_tfds_alone(photos):
    with pytest.raises(InputError, match="--label_key with --images=tfds:"):
        sources.open_source("photos", label_key="coarse")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": NOISE / 255}, "Expected uint8 .*float64"),
        ({"images": NOISE[..., :2]}, r"images, uint8 \[11, 6, 6, 2\]"),
        ({"images": NOISE[:0]}, r"images, uint8 \[0, 6, 6, 3\]"),
        ({"x": NOISE, "y": NOISE}, r"x \[11, 6, 6, 3\], y \[11, 6, 6, 3\]"),
        ({"embeddings": np.zeros((3, 4))}, r"embeddings \[3, 4\]"),
        ({"images": np.asfortranarray(NOISE)}, "ascontiguousarray"),
        ({"images": np.array([[[None]]])}, "object"),
        ({"images": NOISE, "labels": np.zeros(3, int)}, r"integers \[11\]"),
        ({"images": NOISE, "labels": np.zeros(11)}, r"integers \[11\]"),
        (
            {"images": NOISE, "labels": np.arange(11), "class_names": ["a"]},
            "class_names, 11 texts",
        ),
        ({"images": NOISE, "file_names": ["a"]}, "file_names, 11 texts"),
        ({}, "Received: no array"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        sources.open_source(str(tmp_path / "a.npz"))


def test_images_larger_than_memory_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        with archive.open("images.npy", "w") as file:
            np.lib.format.write_array_header_1_0(
                file,
                {
                    "descr": "|u1",
                    "fortran_order": False,
                    "shape": (1, 10**6, 10**6, 3),
                },
            )
    with pytest.raises(InputError, match="Expected images of at most .* pix"):
        sources.open_source(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04"])
def test_a_file_that_is_no_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="an .npz file that is whole"):
        sources.open_source(str(tmp_path / "a.npz"))


def test_a_stream_of_an_array_has_no_drawn_order(tmp_path):
    np.savez(tmp_path / "a.npz", images=NOISE)
    split = sources.open_source(str(tmp_path / "a.npz")).split
    with pytest.raises(ValueError, match="read in order"):
        split.stream(tf.constant([0, 1], tf.int64))
