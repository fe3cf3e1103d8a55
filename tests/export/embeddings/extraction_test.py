"""Extraction: what is written, what an interruption leaves, what is refused."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from and_tf.data import image_file
from and_tf.data.pixel_format import RGB
from and_tf.data.preprocessing import centre_square
from and_tf.utils.errors import InputError
from export.embeddings import extraction, tables
from export.embeddings.extraction import extract
from export.embeddings.sources import open_source
from tests.data import tiny_tfds
from tests.export import stand_in

ROOT = pathlib.Path(__file__).parents[3]
BATCH, PART = 4, 8


class NumPyEncoder:
    """The stand-in without any export; it may be told to fail."""

    image_size = stand_in.SIZE
    embedding_dim = stand_in.DIM
    fingerprint = "of NumPy"
    form = RGB

    def __init__(self, batches: int = 1000) -> None:
        self.left = batches

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return stand_in.embed(images).astype(np.float32)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(extraction, "PART", PART + 1)  # Not whole batches.


@pytest.fixture
def photos(tmp_path) -> str:
    """29 images of mixed sizes in two classes, numbers 3 and 20 broken."""
    path = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for i in range(29):
        place = path / ("ab"[i % 2]) / f"{i:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shape = 8 + i % 3, 9 + i % 5, 3
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(place)
    (path / "a" / "06.png").write_bytes(b"not an image")
    (path / "b" / "11.png").write_bytes((path / "b/13.png").read_bytes()[:90])
    return str(path)


def run(source: str, output: pathlib.Path, batches: int = 1000, **options):
    options = {"batch_size": BATCH, **options}
    encoder = NumPyEncoder(batches)
    return extract(encoder, open_source(source), output, **options)


def interrupt(source: str, output: pathlib.Path, batches: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(source, output, batches)
    assert not output.exists()


def names_in(directory: pathlib.Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_rows_are_the_clean_views_embeddings(photos, tmp_path):
    result = run(photos, tmp_path / "e.npz", model="of/mine")
    table = tables.read(tmp_path / "e.npz")

    assert result.count == len(table.file_names) == 27
    assert result.skipped == ["a/06.png", "b/11.png"]
    for name, embedding in zip(table.file_names, table.embeddings):
        image = image_file.read_image(os.path.join(photos, name))
        square = centre_square(image, 8).numpy()
        np.testing.assert_allclose(
            embedding, stand_in.embed(square[None])[0], atol=1e-6
        )
    classes = [table.class_name(row) for row in range(27)]
    assert classes == [name[0] for name in table.file_names]
    assert sorted(table.file_names) == list(table.file_names)


def test_what_stands_beside_it(photos, tmp_path):
    output = tmp_path / "out" / "e.csv"
    result = run(photos, output, model="of/mine")
    assert names_in(output.parent) == {
        "e.csv",
        "e.csv.json",
        "e.csv.skipped.txt",
    }
    note = json.loads(tables.sidecar(output).read_text())
    wanted = {
        "model": "of/mine",
        "model_fingerprint": "of NumPy",
        "images": photos,
        "root": photos,
        "count": 27,
        "skipped": 2,
        "embedding_dim": 16,
        "image_size": 8,
    }
    assert wanted.items() <= note.items()
    assert note["seconds"] == pytest.approx(result.seconds, abs=1e-3)
    assert tables.skipped_list(output).read_text() == "a/06.png\nb/11.png\n"


@pytest.mark.parametrize(
    ("batches", "suffix"),
    [(1, ".npz"), (2, ".csv"), (3, ".parquet"), (4, ".tfrecord"), (7, ".npz")],
)
def test_an_interrupted_job_goes_on(photos, tmp_path, suffix, batches):
    whole, output = tmp_path / f"w{suffix}", tmp_path / f"e{suffix}"
    run(photos, whole)
    interrupt(photos, output, batches)
    said = []
    encoder_calls = 8 - batches // 2 * 2
    result = run(photos, output, encoder_calls, say=said.append)

    done = batches // 2 * PART
    assert said == ([f"going on after {done} of 29"] if done else [])
    assert result.skipped == ["a/06.png", "b/11.png"]
    assert output.read_bytes() == whole.read_bytes()
    assert not tables.parts_directory(output).exists()


def test_what_a_kill_in_the_last_moments_leaves_is_taken_up(
    photos, tmp_path, monkeypatch
):
    """The sidecar is there, the table is not."""
    output, whole = tmp_path / "e.npz", tmp_path / "w.npz"
    run(photos, whole)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        replace = os.replace
        patch.setattr(
            os,
            "replace",
            lambda a, b: killed() if b == output else replace(a, b),
        )
        interrupt(photos, output, 1000)
    assert tables.sidecar(output).exists()
    run(photos, output, batches=0)  # Nothing is left to embed.
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda photos: {"batch_size": 2}, "batch_size 4, not 2"),
        (lambda photos: os.utime(f"{photos}/a/00.png", (1, 1)), "listing"),
        (lambda photos: os.remove(f"{photos}/a/00.png"), "29, not 28"),
    ],
)
def test_parts_of_another_job_are_refused(photos, tmp_path, change, message):
    output = tmp_path / "e.npz"
    interrupt(photos, output, 3)
    options = change(photos) or {}
    with pytest.raises(InputError, match=f"{message}.*Finish it .*delete"):
        run(photos, output, **options)
    assert "part-000000.npz" in names_in(tables.parts_directory(output))


def test_another_model_is_another_job(photos, tmp_path, monkeypatch):
    interrupt(photos, tmp_path / "e.npz", 3)
    monkeypatch.setattr(NumPyEncoder, "fingerprint", "another")
    with pytest.raises(InputError, match="of NumPy, not another"):
        run(photos, tmp_path / "e.npz")


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_damaged_note_of_a_job(photos, tmp_path, text):
    output = tmp_path / "e.npz"
    interrupt(photos, output, 3)
    (tables.parts_directory(output) / "job.json").write_text(text)
    with pytest.raises(InputError, match="Received: those of another one"):
        run(photos, output)


def test_a_damaged_part_is_named(photos, tmp_path):
    output = tmp_path / "e.npz"
    interrupt(photos, output, 5)
    part = tables.parts_directory(output) / "part-000001.npz"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(InputError, match="part-000001.npz to be a whole part"):
        run(photos, output)
    part.unlink()
    assert run(photos, output, say=str).count == 27


def test_two_processes_do_not_write_one_output(photos, tmp_path):
    class Second(NumPyEncoder):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            with pytest.raises(InputError, match="Another process is"):
                run(photos, tmp_path / "e.npz")
            return super().__call__(images)

    source = open_source(photos)
    extract(Second(), source, tmp_path / "e.npz", batch_size=BATCH)


def test_a_full_disk_keeps_the_parts(photos, tmp_path, monkeypatch):
    output, whole = tmp_path / "e.npz", tmp_path / "w.npz"
    run(photos, whole)
    fsync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 3:  # job.json and two parts.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            InputError, match="No space left on device.*the same command again"
        ):
            run(photos, output)
    assert names_in(tables.parts_directory(output)) == {
        "job.json",
        "part-000000.npz",
        "part-000001.npz",
    }
    run(photos, output, 4, say=str)
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("beside", ["e.npz", "e.npz.json", "e.npz.skipped.txt"])
def test_nothing_is_overwritten(photos, tmp_path, beside):
    (tmp_path / beside).write_text("mine")
    with pytest.raises(InputError, match=f"{beside}, which is there already"):
        run(photos, tmp_path / "e.npz")
    assert (tmp_path / beside).read_text() == "mine"


def test_images_of_which_none_can_be_read(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(9):
        (tmp_path / "photos" / f"{i}.jpg").write_bytes(b"no image")
    with pytest.raises(
        InputError, match="9 files, none of which can be read, such as 0"
    ):
        run(str(tmp_path / "photos"), tmp_path / "e.npz")
    assert names_in(tmp_path) == {"photos"}


def test_labels_and_names_of_tfds(tmp_path):
    tiny_tfds.prepare("tiny_colour", tmp_path)
    source = open_source("tfds:tiny_colour/train", str(tmp_path))
    extract(NumPyEncoder(), source, tmp_path / "e.csv", batch_size=BATCH)
    table = tables.read(tmp_path / "e.csv")
    assert table.file_names[10] == "tiny_colour/train:10"
    assert table.labels.tolist() == source.split.labels.tolist()
    assert table.class_name(1) == "abc"[table.labels[1]]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_that_is_damaged_in_the_middle(tmp_path, save):
    save(tmp_path / "a.npz", images=stand_in.images(40, side=300))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 99] = bytes(99)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="files of .* to be whole") as error:
        run(str(tmp_path / "a.npz"), tmp_path / "e.npz")
    assert "\n" not in str(error.value)


MEASURE = """
import pathlib, resource, sys
import numpy as np
from and_tf.data.pixel_format import RGB
from export.embeddings import extraction
from export.embeddings.sources import open_source

class Encoder:
    image_size, embedding_dim, fingerprint = 104, 8192, ""
    form = RGB
    def __call__(self, images):
        return np.repeat(images[:, 0, 0, :1].astype(np.float32), 8192, 1)

extraction.PART = 128
output = pathlib.Path(sys.argv[2])
extraction.extract(Encoder(), open_source(sys.argv[1]), output)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_images(tmp_path):
    """65 MB of images and 65 MB of embeddings more, in at most 40 more."""
    mebibytes = []
    for count in (300, 2_300):
        path = tmp_path / f"{count}.npz"
        images = np.broadcast_to(np.uint8(7), (count, 104, 104, 3))
        np.savez_compressed(path, images=images)
        result = subprocess.run(
            [sys.executable, "-c", MEASURE, path, path.with_suffix(".csv.npz")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        mebibytes.append(int(result.stdout))
    assert mebibytes[1] - mebibytes[0] < 40, mebibytes
