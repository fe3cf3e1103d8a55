"""Input that readers cannot use ends in a sentence, or is left out."""

from __future__ import annotations

import io
import json
import os
import pathlib
import re
import struct
import sys
import tarfile
import zipfile

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from PIL import Image

from and_tf import data
from and_tf.data.pixel_budget import too_large
from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.data.readers import classes, opening, record_files, tar_index
from and_tf.utils.errors import InputError
from tests.data.readers import twelve
from tests.hostile import bomb

PNG = twelve.png(twelve.IMAGES[0])


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> pathlib.Path:
    """A directory with an image, a.png, and a cache beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "data"
    place.mkdir()
    (place / "a.png").write_bytes(PNG)
    monkeypatch.chdir(place)
    return place


def refusal(dataset: str, data_dir: object, **options: str) -> str:
    """The sentence that a data set ends in."""
    with pytest.raises(InputError) as error:
        data.find(data.Request(dataset, str(data_dir), **options))
    assert "\n" not in str(error.value)
    return str(error.value)


def found(dataset: str, data_dir: object, **options: str) -> data.Split:
    request = data.Request(dataset, str(data_dir), **options)
    return data.find(request).train


def reasons(split: data.Split) -> dict[str, str]:
    return {one.name: one.reason for one in split.skipped}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "which is empty"),
        ("t.csv", b"x,y\n1,2\n", "a column of paths .* columns x, y. Name"),
        ("t.csv", b"path\n", "has no rows"),
        ("t.csv", b"path\n/etc/passwd\n", "absolute path /etc/passwd in row 1"),
        ("t.csv", b"path\nC:\\a.png\n", "absolute path C:"),
        ("t.csv", b"path\na.png\nb/../../a\n", r"'b/\.\./\.\./a' in row 2"),
        ("t.csv", b"path\nftp://b/a.png\n", "the URL ftp://b/a.png"),
        ("t.csv", b"path,label\na.png,1\n./a.png,2\n", "rows 1 and 2"),
        ("t.csv", b"path,label\na.png,0.5\n", r"Received: '?0.5'? \(str\)"),
        ("t.csv", "path\nä.png\n".encode("latin-1"), "not UTF-8"),
        ("t.csv", "path\na.png\n".encode("utf-16"), "not UTF-8"),
        ("t.csv", b"path\n\n,\n", "no path in row 1"),
        ("t.csv", b'path\n"a.png\n', "Expected a table"),
        ("t.csv", b"path\nb.png\n", "1 that are not there: b.png"),
        ("t.csv", b"path,split\na.png,dev\nb,val\n", "a training split .*dev"),
        ("t.jsonl", b'{"path": "a.png"}\n[1]\n', "row 2 is no object"),
        ("t.jsonl", b'{"path": 3}\n', "no path in row 1"),
        ("t.jsonl", b'{"path": "a.png"', "Expected a table"),
        ("t.jsonl", b'{"path": "a.png", "label": {}}\n', r"\{\} \(dict\)"),
        ("t.xml", b"<path>", "ends in .xml"),
        ("t.parquet", b"PAR1PAR1", "Expected a table"),
        ("t.csv", b"\x1f\x8b\x08\0", "compressed by gzip. Unpack"),
    ],
)
def test_tables(place, name, content, words):
    (place / name).write_bytes(content)
    assert re.search(words, refusal("manifest", place / name))


U8, PIXELS = datasets.Value("uint8"), [[0, 9], [255, 1]]


@pytest.mark.parametrize(
    ("feature", "image", "form", "words"),
    [
        (datasets.List(datasets.List(U8)), PIXELS, RGB, ""),
        (None, PIXELS, RGB, ""),  # Numbers of 64 bits, as lists become.
        (None, [[0, 9], [256, 1]], RGB, "1 of int64 values without .* Give"),
        (None, [[0.0, 1.0]], RGB, "1 of float64 values without a --pixel_r"),
        (None, PIXELS, PixelFormat(5), "1 of 1 band, where --ch.* Give --chan"),
        (datasets.Array3D((5, 9, 8), "uint8"), np.zeros((5, 9, 8), np.uint8),
         PixelFormat(5), r"of the shape \[5, 9, 8\], whose channels belong"),
        (None, [[1], [2, 3]], RGB, "of rows of different lengths"),
        (None, [[1, None]], RGB, "with values that are missing"),
        (None, "a.png", RGB, r"a column of images: .* x, Value\("),
        (None, [1, 2], RGB, "a column of images: .* x, List"),
        (datasets.Image(), None, RGB, "1 without an image: train/0"),
        (datasets.Image(), Image.new("F", (2, 2)), RGB, "of float32 values"),
        (datasets.Image(), Image.new("I;16", (2, 2)), PixelFormat(4),
         "of 1 band, where --channels=4 was expected"),
    ],
)  # fmt: skip
def test_columns_of_images(place, feature, image, form, words):
    features = feature and datasets.Features({"x": feature})
    rows = datasets.Dataset.from_dict({"x": [image]}, features)
    rows.save_to_disk(str(place / "saved"))

    def read() -> np.ndarray:
        found = data.load(
            "huggingface", str(place / "saved"), image_key="x", form=form
        )
        return found.train.images

    if not words:
        np.testing.assert_array_equal(read()[0, :, :, 1], PIXELS)
        return
    with pytest.raises(InputError, match=words) as error:
        read()
    assert "\n" not in str(error.value)


def test_tables_find_columns_and_leave_out_what_is_not_there(place):
    os.mkfifo(place / "pipe.png")
    (place / "link.png").symlink_to("a.png")
    rows = "a.png;1.0;train", "b.png;2;train", "pipe.png;;train"
    rows += "link.png;;train", "'=c.png;x;", "d.png;7;odd"
    (place / "=c.png").write_bytes(PNG)
    text = "\ufeffFILE ; Class;Subset\n" + "\n".join(rows)
    (place / "t.csv").write_text(text, "utf-8")
    split = found("manifest", place / "t.csv")
    assert split.file_names == ("a.png", "link.png")
    # Numbers of one column are classes; of two splits, together.
    assert split.labels.tolist() == [0, -1] and split.class_names == ("1",)
    missing = "that are not there"
    assert reasons(split) == {"b.png": missing, "pipe.png": missing}
    split = found("manifest", place / "t.csv", train_split="")
    keys = dict(label_key="Subset", split_key="Class", train_split="x")
    split = found("manifest", place / "t.csv", **keys)
    assert split.file_names == ("=c.png",) and split.labels is None
    told = refusal("manifest", place / "t.csv", label_key="label")
    assert "FILE, Class, Subset. Received: 'label'" in told


def test_a_table_of_more_rows_than_memory_has_is_refused_at_its_second(place):
    row = pa.array(["a.png"] * 70_000).dictionary_encode()
    pq.write_table(pa.table({"path": row}), place / "t.parquet")
    assert "rows 1 and 2" in refusal("manifest", place / "t.parquet")
    image = pa.array([{"bytes": PNG, "path": "a.png"}])
    pq.write_table(pa.table({"image": image}), place / "t.parquet")
    assert "huggingface" in refusal("manifest", place / "t.parquet")


def members(path: pathlib.Path, **contents: bytes | tarfile.TarInfo) -> None:
    """Writes a .tar file; a name's "__" stands for a slash, "_" for a dot."""
    with tarfile.open(path, "w") as archive:
        for name, content in contents.items():
            name = name.replace("__", "/").replace("_", ".")
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                content.name = name
                archive.addfile(content)


def special(kind: bytes, to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, to
    return info


@pytest.mark.parametrize("kind", ["archive", "webdataset"])
def test_members_of_a_tar_that_lead_elsewhere_are_left_out(place, kind):
    members(
        place / "t.tar",
        cat__a_png=PNG,
        cat__b_png=special(tarfile.SYMTYPE, "/etc/passwd"),
        cat__c_png=special(tarfile.LNKTYPE, "cat/a.png"),
        cat__d_png=special(tarfile.CHRTYPE),
        __cat__e_png=PNG,
        cat__f_png=bomb(30_000),
    )
    path = place / "t.tar"
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("../g.png"))
    split = data.load(kind, str(path), memory_limit=0).train
    prefix = "t.tar/" if kind == "webdataset" else ""
    (name,) = split.file_names
    assert name == f"{prefix}cat/a{'' if prefix else '.png'}"
    if kind == "archive":
        assert reasons(split) == {
            "../g.png": tar_index.OUTSIDE,
            "/cat/e.png": tar_index.OUTSIDE,
            "cat/b.png": tar_index.LINKS,
            "cat/c.png": tar_index.LINKS,
            "cat/d.png": tar_index.SPECIAL,
            "cat/f.png": too_large(),
        }
    assert not (place.parent / "g.png").exists()


def test_members_of_a_zip_that_lead_elsewhere_are_left_out(place):
    path = place / "t.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/a.png", PNG)
        archive.writestr("../b.png", PNG)
        archive.writestr("C:\\c.png", PNG)
        archive.writestr("cat/d.bmp", bytes(2**25))
        link = zipfile.ZipInfo("cat/e.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("cat/a.png", twelve.png(twelve.IMAGES[1]))
        archive.writestr("cat/f.png", PNG, zipfile.ZIP_STORED)
    content = path.read_bytes()
    place_of_f = content.index(PNG[:20], content.index(b"cat/f.png"))
    damaged = bytearray(content)
    damaged[place_of_f + 30] ^= 255
    path.write_bytes(damaged)
    split = data.load("archive", str(path), memory_limit=0).train
    assert split.file_names == ("cat/a.png",)  # The later of the two.
    (image, _), *_ = split.stream(None)
    np.testing.assert_array_equal(image, twelve.IMAGES[1])
    assert reasons(split) == {
        "../b.png": tar_index.OUTSIDE,
        "C:\\c.png": tar_index.OUTSIDE,
        "cat/d.bmp": "of too few bytes for their size",
        "cat/e.png": tar_index.LINKS,
        "cat/f.png": "that cannot be read",
    }


def cut(path: pathlib.Path, at: int) -> pathlib.Path:
    path.write_bytes(path.read_bytes()[:at])
    return path


def flipped(path: pathlib.Path, at: int) -> pathlib.Path:
    content = bytearray(path.read_bytes())
    content[at] ^= 64
    path.write_bytes(content)
    return path


def shard(place: pathlib.Path) -> pathlib.Path:
    members(place / "s.tar", a_png=PNG, a_cls=b"1", b_png=PNG, b_cls=b"2")
    return place / "s.tar"


def records(place: pathlib.Path) -> pathlib.Path:
    twelve.tfrecord(place)
    return place / "train.tfrecord-00000-of-00002"


def array_records(place: pathlib.Path) -> pathlib.Path:
    return twelve.array_record(place).place.with_name(
        "birds-train.array_record"
    )


def archive(place: pathlib.Path) -> pathlib.Path:
    return twelve.zipped(place).place


@pytest.mark.parametrize(
    ("dataset", "make", "damage", "words"),
    [
        ("webdataset", shard, lambda p: cut(p, 900), "unexpected end of data"),
        ("webdataset", shard, lambda p: cut(p, 1024), "damaged at byte"),
        ("webdataset", shard, lambda p: cut(p, 0), "which is empty"),
        ("webdataset", shard, lambda p: flipped(p, 1030), "a .tar file"),
        ("archive", shard, lambda p: cut(p, 1024), "damaged at byte"),
        ("archive", archive, lambda p: cut(p, 700), "BadZipFile"),
        ("archive", records, lambda p: p, "a .tar file"),
        ("tfrecord", records, lambda p: cut(p, 400), "cut short"),
        ("tfrecord", records, lambda p: flipped(p, 3), "record 0 at byte 0"),
        ("tfrecord", records, lambda p: flipped(p, 9), "record 0 at byte 0"),
        ("tfrecord", shard, lambda p: p, "record 0 at byte 0"),
        ("array_record", array_records, lambda p: cut(p, 700), "ArrayRecord"),
        ("array_record", shard, lambda p: p, "ArrayRecord"),
    ],
)
def test_files_that_are_not_whole(place, dataset, make, damage, words):
    path = damage(make(place))
    assert re.search(words, refusal(dataset, path))


@pytest.mark.parametrize("dataset", ["webdataset", "tfrecord", "archive"])
def test_compressed_files_are_refused(place, dataset):
    with tarfile.open(place / "s.tar.gz", "w:gz") as made:
        made.add(place / "a.png", "a.png")
    assert "Unpack it first" in refusal(dataset, place / "s.tar.gz")
    assert "Expected --data_dir" in refusal("tfrecord", place / "none-*")


def test_records_without_an_image_or_a_label(place):
    good = twelve.example(twelve.IMAGES[0], 7)
    texts = tf.train.Example.FromString(good)
    texts.features.feature["name"].bytes_list.value.append(b"cat")
    bare = tf.train.Example.FromString(good)
    del bare.features.feature["image/encoded"]
    unlabelled = tf.train.Example.FromString(good)
    del unlabelled.features.feature["image/class/label"]
    path = place / "x.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in (texts, bare, unlabelled):
            writer.write(one.SerializeToString())
        writer.write(b"no example at all")
    split = data.load("tfrecord", str(path), memory_limit=0).train
    assert split.file_names == ("x.tfrecord__0", "x.tfrecord__2")
    assert split.labels.tolist() == [0, -1]
    assert list(reasons(split)) == ["x.tfrecord__1", "x.tfrecord__3"]
    split = data.find(data.Request("tfrecord", str(path), "name")).train
    assert split.class_names == ("cat",)
    told = refusal("tfrecord", path, image_key="img")
    assert "image/class/label, image/encoded, name. Received: 'img'" in told
    texts.features.feature["name"].bytes_list.value.append(b"dog")
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(texts.SerializeToString())
    assert "one label" in refusal("tfrecord", path, label_key="name")


def test_checksums_are_those_of_tensorflow(place):
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 2**12, 50)
    with tf.io.TFRecordWriter(str(place / "r")) as writer:
        for size in sizes:
            writer.write(bytes(int(size)))
    content, at = (place / "r").read_bytes(), 0
    for size in sizes.tolist():
        length, crc = struct.unpack_from("<QI", content, at)
        head = np.frombuffer(content, np.uint8, 8, at)
        assert (length, crc) == (
            size,
            record_files.masked_crc32c(head[None])[0],
        )
        at += 16 + size


def saved(place: pathlib.Path, **arrays: np.ndarray) -> pathlib.Path:
    np.savez(place / "a.npz", **arrays)
    return place / "a.npz"


X = twelve.IMAGES


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "Received: none"),
        ({"x": X / 255}, "uint8 .* Received: x, float64"),
        ({"x": X[..., :2]}, r"x, uint8 \[12, 5, 6, 2\]"),
        ({"x": X[:0]}, r"x, uint8 \[0, 5, 6, 3\]"),
        ({"a": X, "b": X}, "Name it with --image_key"),
        ({"x": np.asfortranarray(X)}, "ascontiguousarray"),
        ({"x": X, "y": np.arange(3)}, r"\[12\] .*y int64 \[3\]"),
        ({"x": X, "y": np.linspace(0, 1, 12)}, "y float64"),
        ({"x": X, "y": np.array([None] * 12)}, "y object"),
        ({"x": X, "y": np.eye(12)}, r"y float64 \[12, 12\]"),
        ({"x": np.array([[[None]]])}, "x, object"),
        (
            {"x": X, "y": np.arange(12), "class_names": np.array(["a"])},
            "numbers of its 1 class names.*labels up to 11",
        ),
        ({"x": X, "file_names": np.array(["a"] * 12)}, "a more than once"),
    ],
)
def test_arrays(place, arrays, words):
    assert re.search(words, refusal("arrays", saved(place, **arrays)))


def test_arrays_that_claim_to_be_larger_than_they_are(place):
    np.save(place / "x.npy", X)
    content = bytearray((place / "x.npy").read_bytes())
    cut(place / "x.npy", len(content) - 1)
    assert "ends within its array" in refusal("arrays", place / "x.npy")
    with open(place / "x.npy", "wb") as file:
        head = {"descr": "|u1", "fortran_order": False}
        head["shape"] = (10**8, 32, 32, 3)
        np.lib.format.write_array_header_1_0(file, head)
    assert "ends within its array" in refusal("arrays", place / "x.npy")
    np.save(place / "x.npy", np.array([[[[None]]]]), allow_pickle=True)
    assert "object" in refusal("arrays", place / "x.npy")
    with zipfile.ZipFile(place / "a.npz", "w", zipfile.ZIP_DEFLATED) as made:
        with made.open("x.npy", "w") as file:
            head["shape"] = (300, 1000, 1000, 1)
            np.lib.format.write_array_header_1_0(file, head)
            for _ in range(300):
                file.write(bytes(10**6))
    assert "too many bytes" in refusal("arrays", place / "a.npz")


def test_samples_without_an_image_and_labels_of_all_kinds(place):
    sample = json.dumps({"label": 3, "caption": "a cat"}).encode()
    members(place / "s.tar", a_png=PNG, a_json=sample, b_txt=b"x", c_png=PNG)
    split = found("webdataset", place / "s.tar")
    assert split.file_names == ("s.tar/a", "s.tar/c")
    assert reasons(split) == {"s.tar/b": "without an image"}
    assert split.labels.tolist() == [0, -1]
    split = found("webdataset", place / "s.tar", label_key="caption")
    assert split.class_names == ("a cat",)
    told = refusal("webdataset", place / "s.tar", label_key="cls")
    assert "'cls', which none has" in told
    # Texts that hardly repeat are captions; asked for, they are labels.
    members(place / "s.tar", a_png=PNG, a_txt=b"one", b_png=PNG, b_txt=b"two")
    assert found("webdataset", place / "s.tar").labels is None
    split = found("webdataset", place / "s.tar", label_key="txt")
    assert split.class_names == ("one", "two")
    members(place / "s.tar", a_png=PNG, b_png=PNG, a_jpg=PNG)
    assert "more than once" in refusal("webdataset", place / "s.tar")


def test_splits_of_files_are_words_and_patterns_of_their_names(place):
    for name in ("train-0", "train-1", "val-0", "extra-0"):
        members(place / f"{name}.tar", a_png=PNG)
    loaded = data.find(data.Request("webdataset", str(place)))
    assert loaded.train.size == 2 and loaded.test.size == 1
    assert "(no name): other splits, not read" in loaded.remarks[0]
    for word in ("extra", "extra-*", "extra-{0..3}.tar", "*a-0.tar"):
        split = found("webdataset", place, train_split=word)
        assert split.file_names == ("extra-0.tar/a",)
    assert "'odd'" in refusal("webdataset", place, train_split="odd")
    told = refusal("webdataset", place, train_split="{0..999999999999}")
    assert "at most 1,000,000 files" in told


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("a", ["a"]),
        ("a-{08..11}", ["a-08", "a-09", "a-10", "a-11"]),
        ("{a,b}{1..2}c", ["a1c", "a2c", "b1c", "b2c"]),
        ("{3..1}", []),
        ("{a}", ["{a}"]),
    ],
)
def test_braces_are_those_of_a_shell(pattern, files):
    assert opening.braces(pattern) == files


@pytest.mark.parametrize(
    ("columns", "numbers", "names"),
    [
        ([[3, None, -7]], [[3, -1, -1]], None),
        ([["2", " 10 ", ""]], [[2, 10, -1]], None),
        ([["1.0", 2.0, np.nan]], [[1, 2, -1]], None),
        ([["b", None, "a"], ["c", "a"]], [[1, -1, 0], [2, 0]], "abc"),
        ([["1", "a"]], [[0, 1]], "1a"),
        ([[b"x"], None], [[0], None], "x"),
        ([[True, False]], [[1, 0]], None),
        ([[None, "", -1]], [None], None),
    ],
)
def test_classes(columns, numbers, names):
    found, told = classes.numbered(columns, "s")
    assert [None if f is None else f.tolist() for f in found] == numbers
    assert told == (names if names is None else tuple(names))


@pytest.mark.parametrize("value", [0.5, "0.5", 2.0**70, [1], np.inf])
def test_what_no_class_can_be(value):
    with pytest.raises(InputError, match="whole numbers or texts"):
        classes.numbered([[1, value]], "s")


READERS = """
from and_tf.data import Reader

class One(Reader):
    names = ["a"]
    def read(self, number):
        return {read}

def read(data_dir):
    return {found}
"""


@pytest.mark.parametrize(
    ("read", "returned", "words"),
    [
        ("b''", "None", "Received: NoneType"),
        ("b''", "{'train': 3}", "int for 'train'"),
        ("b''", "1 / 0", "ZeroDivisionError"),
        ("self.nothing", "One()", r"\(read\) ended in AttributeError"),
        ("'text'", "One()", "bytes or a uint8 array. Received: str"),
        ("b''", "{'x': One(), 'y': One()}", "a training split .* x, y"),
    ],
)
def test_functions_of_users(place, read, returned, words, monkeypatch):
    module = f"readers_{abs(hash((read, returned)))}"
    text = READERS.format(read=read, found=returned)
    (place / f"{module}.py").write_text(text)
    assert re.search(words, refusal(f"{module}:read", place))


def test_packages_that_are_missing_name_their_extra(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setitem(sys.modules, "array_record.python", None)
    assert "[data]" in refusal("huggingface", place)
    assert "[data]" in refusal("array_record", place / "a.png")


def test_directories_that_datasets_cannot_open(place):
    assert "ended in" not in refusal("huggingface", place / "nowhere")
    (place / "state.json").write_text("{")
    assert "that `datasets` opens" in refusal("huggingface", place)


def test_splits_and_columns_of_datasets(place):
    written = twelve.hf_saved(place)
    split = found("huggingface", written.place, train_split="train[2:]+test")
    assert split.file_names[0] == "train/2" and split.size == 10
    assert split.labels.tolist() == twelve.LABELS[2:].tolist()
    told = refusal("huggingface", written.place, train_split="dev")
    assert "train, test, or a part" in told
    told = refusal("huggingface", written.place, label_key="fine")
    assert "to be a column: label" in told


def test_flags_that_a_kind_does_not_read(place):
    assert "without --split_key" in refusal("tfrecord", place, split_key="x")
    assert "--data_dir, a .csv" in refusal("manifest", "")
