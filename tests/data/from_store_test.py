"""Data of URLs are the data of files, whatever kind they are of."""

from __future__ import annotations

import io
import tarfile

import fsspec
import numpy as np
import pytest
from PIL import Image

from and_tf import data
from and_tf.utils.errors import InputError

ROOT = "memory://bucket/photos"


def png(value: int) -> bytes:
    file = io.BytesIO()
    pixels = np.full((8, 8, 3), value, np.uint8)
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def tar(values: list[int]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for value in values:
            for suffix, content in (("png", png(value)), ("cls", b"1")):
                member = tarfile.TarInfo(f"{value:03}.{suffix}")
                member.size = len(content)
                made.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def store(monkeypatch, tmp_path):
    """Writes objects of a store in the memory of this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = fsspec.filesystem("memory")
    files.store.clear()

    def write(**objects: bytes) -> None:
        for name, content in objects.items():
            files.pipe_file(f"/bucket/photos/{name}", content)

    yield write
    files.store.clear()


def values(dataset: str, place: str, **options: str) -> dict[str, int]:
    """Returns the value of each image's pixels, by its name."""
    train = data.load(dataset, place, image_size=8, **options).train
    names = train.file_names or range(train.size)
    return {
        str(n): int(image[0, 0, 0]) for n, image in zip(names, train.images)
    }


def test_a_folder(store):
    store(**{"a/1.png": png(1), "b b/2.png": png(2), "notes.txt": b"x"})
    split = data.load("folder", ROOT, image_size=8).train
    assert split.class_names == ("a", "b b")
    assert values("folder", f"{ROOT}/") == {"a/1.png": 1, "b b/2.png": 2}
    store(**{"a/1.png": png(9)})
    assert values("folder", ROOT) == {"a/1.png": 9, "b b/2.png": 2}


def test_a_manifest_there_and_one_here_that_names_urls(store, tmp_path):
    table = "path,label\na/1.png,x\nb/2.png,y\nb/none.png,y\n"
    store(**{"a/1.png": png(1), "b/2.png": png(2), "t.csv": table.encode()})
    found = {"a/1.png": 1, "b/2.png": 2}
    assert values("manifest", f"{ROOT}/t.csv") == found
    Image.fromarray(np.full((8, 8, 3), 3, np.uint8)).save(tmp_path / "c.png")
    rows = [f"{ROOT}/a/1.png", f"{ROOT}/b/none.png", "c.png"]
    (tmp_path / "t.csv").write_text("\n".join(["path", *rows]))
    assert values("manifest", str(tmp_path / "t.csv")) == {
        f"{ROOT}/a/1.png": 1,
        "c.png": 3,
    }
    (tmp_path / "t.csv").write_text(f"path\n{ROOT}/../../x.png\n")
    with pytest.raises(InputError, match="without empty parts, '.' and '..'"):
        data.load("manifest", str(tmp_path / "t.csv"))


def test_shards_of_a_pattern_and_no_others(store, tmp_path):
    for i in range(4):
        store(**{f"s/train-{i:03}.tar": tar([i]), f"s/{i}.bin": bytes(9)})
    pattern = f"{ROOT}/s/train-{{001..002}}.tar"
    assert sorted(values("webdataset", pattern).values()) == [1, 2]
    pattern = f"{ROOT}/s/train-*[!3].tar"
    assert sorted(values("webdataset", pattern).values()) == [0, 1, 2]
    assert not list((tmp_path / "cache").rglob("*.bin"))
    assert len(values("webdataset", f"{ROOT}/s")) == 4


def test_what_packages_keep_themselves_has_no_url(store):
    with pytest.raises(InputError, match="this machine with --dataset=mnist"):
        data.load("mnist", ROOT)
    with pytest.raises(InputError, match="of s3://, gs:// or hf://"):
        data.load("folder", "ftp://host/photos")
    with pytest.raises(InputError, match="nothing of that name"):
        data.load("folder", ROOT)
