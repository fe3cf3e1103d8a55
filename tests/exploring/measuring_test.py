"""The pass over a folder: every kind of file, kills, changes and repeats."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from PIL import Image, ImageFile

from and_tf.data import image_file, preprocessing
from and_tf.exploring import measured as measured_module
from and_tf.exploring import measures, measuring
from and_tf.utils.errors import InputError
from tests.exploring import photographs


@pytest.fixture
def folder(tmp_path):
    """Ten photographs, two of which are in a folder below."""
    root = tmp_path / "photos"
    (root / "below").mkdir(parents=True)
    for number, tile in enumerate(photographs.tiles()[:10]):
        name = f"below/{number}.png" if number > 7 else f"{number}.jpg"
        tile.crop((0, 0, 150 - number, 100)).save(root / name)
    return root


def test_rows_are_what_the_files_are(folder, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:30:00"
    exif.get_ifd(0x8825).update({2: (1.0, 2.0, 3.0), 4: (4.0, 5.0, 6.0)})
    photographs.tiles()[0].crop((0, 0, 90, 40)).save(
        folder / "x.jpg", exif=exif
    )
    found = photographs.measure(folder, tmp_path / "store", split="reference")
    assert list(found.file) == sorted(
        [f"{n}.jpg" for n in range(8)] + ["below/8.png", "below/9.png", "x.jpg"]
    )
    assert set(found.split) == {"reference"} and found.is_reference.all()
    for row, path in enumerate(found.path):
        content = open(path, "rb").read()
        pixels = image_file.read_image(path)
        assert found.file_bytes[row] == len(content)
        assert found.sha256[row] == hashlib.sha256(content).hexdigest()
        assert (found.height[row], found.width[row]) == pixels.shape[:2]
        seen = preprocessing.centre_square(pixels, photographs.IMAGE_SIZE)
        expected = photographs.encode(seen.numpy()[None])
        np.testing.assert_allclose(
            found.embeddings[row], expected[0], atol=1e-6
        )
        small = measures.shrunk(pixels)
        assert found.brightness[row] == np.float32(
            measures.measure(small).brightness
        )
        np.testing.assert_array_equal(found.grey[row], measures.grey(small))
    x = found.file.index("x.jpg")
    assert (found.width[x], found.height[x], found.orientation[x]) == (
        40,
        90,
        6,
    )
    assert found.taken[x] == "2024-05-01T12:30:00" and found.has_place[x]
    assert not found.taken[0] and not found.has_place[0]


def test_only_new_and_changed_files_are_read_again(folder, tmp_path):
    seen = []

    def encode(images):
        assert images.shape == (4, 16, 16, 3) and images.dtype == np.uint8
        seen.append(int(images.any(axis=(1, 2, 3)).sum()))
        return photographs.encode(images)

    before = photographs.measure(folder, tmp_path / "store", encode)
    assert sum(seen) == 10
    seen.clear()
    again = photographs.measure(folder, tmp_path / "store", encode)
    assert not seen
    np.testing.assert_array_equal(again.embeddings, before.embeddings)
    photographs.tiles()[12].save(folder / "3.jpg")
    photographs.tiles()[13].save(folder / "new.jpg")
    os.remove(folder / "0.jpg")
    changed = photographs.measure(folder, tmp_path / "store", encode)
    assert seen == [2]
    assert "0.jpg" not in changed.file and "new.jpg" in changed.file
    assert changed.width[changed.file.index("3.jpg")] == photographs.SIDE


def test_a_killed_pass_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "PART", 4)
    calls = []

    def killed(images):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return photographs.encode(images)

    with pytest.raises(KeyboardInterrupt):
        photographs.measure(folder, tmp_path / "store", killed)
    seen = []

    def encode(images):
        seen.append(int(images.any(axis=(1, 2, 3)).sum()))
        return photographs.encode(images)

    found = photographs.measure(folder, tmp_path / "store", encode)
    assert sum(seen) == 6
    whole = photographs.measure(folder, tmp_path / "other")
    np.testing.assert_array_equal(found.embeddings, whole.embeddings)
    assert found.thumbnails == whole.thumbnails


def test_unreadable_files_are_named_and_truncated_ones_measured(
    folder, tmp_path
):
    content = (folder / "7.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 2])
    (folder / "text.jpg").write_text("no image")
    (folder / "empty.png").write_bytes(b"")
    os.mkfifo(folder / "pipe.jpg")
    names = sorted(
        path.relative_to(folder).parts
        for path in folder.rglob("*.*")
    )  # fmt: skip
    names += [("gone.jpg",), names[0]]
    found = photographs.measure(folder, tmp_path / "store", files=names)
    assert {name: why for name, why in found.skipped} == {
        "empty.png": "that cannot be read",
        "gone.jpg": "that cannot be read",
        "pipe.jpg": "that are no ordinary files",
        "text.jpg": "that cannot be read",
    }
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert [f for f, cut in zip(found.file, found.truncated) if cut] == [
        "cut.jpg"
    ]
    assert len(found) == 11  # A path that is given twice is one row.
    top = slice(0, 20)
    rows = [found.file.index(name) for name in ("7.jpg", "cut.jpg")]
    one, two = found.grey[rows].astype(int)
    np.testing.assert_allclose(one[top], two[top], atol=2)


def test_a_folder_of_broken_files_is_a_sentence(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(InputError, match="1 that cannot be read: a.jpg"):
        photographs.measure(tmp_path, tmp_path / "store")


def test_cut_outs_that_are_equal_on_white_are_told_apart(tmp_path):
    for name, box in (("a", (2, 2, 9, 9)), ("b", (20, 20, 40, 30))):
        image = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
        image.paste("white", box)
        image.save(tmp_path / f"{name}.png")
    image.save(tmp_path / "c.png", compress_level=0)
    Image.new("RGBA", (60, 60), "white").save(tmp_path / "d.png")
    Image.new("RGB", (60, 60), "white").save(tmp_path / "e.png")
    digests = photographs.measure(tmp_path, tmp_path / "store").pixels_sha256
    assert digests[1] == digests[2] and digests[3] == digests[4]
    assert len(set(digests)) == 3


def test_files_of_both_folders_are_the_references_alone(folder, tmp_path):
    os.symlink(folder / "below" / "8.png", folder / "link.png")
    images = photographs.measure(folder, tmp_path / "store")
    reference = photographs.measure(
        folder / "below", tmp_path / "store", split="reference"
    )
    both = measured_module.joined(images, reference)
    assert both.split == ("",) * 9 + ("reference",) * 2
    assert both.file[-2:] == ("8.png", "9.png")
    assert both.is_link.tolist() == [False] * 8 + [True, False, False]
    assert len(both.embeddings) == len(both.thumbnails) == 11
