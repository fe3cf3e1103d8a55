"""Twelve images that the libraries of other people write, for all readers.

Eight are to train on and four to test with, in three classes. Each writer
returns where it has put them, and what its reader needs to be told.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import datasets
import numpy as np
import pandas as pd
import tensorflow as tf
import tifffile
import webdataset
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

SIZES = {"train": 8, "test": 4}
CLASSES = ("cat", "dog", "emu")
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 1, 0, 2])
FIRST = {"train": 0, "test": 8}


class Written(NamedTuple):
    """What a writer has made.

    Attributes:
        dataset: The value of --dataset.
        place: The value of --data_dir.
        ids: The name of the image of a split and a number, as it should be.
        named: Whether the classes have names.
    """

    dataset: str
    place: pathlib.Path
    ids: Callable[[str, int], str]
    named: bool = True


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def tiff(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, image, photometric="minisblack", planarconfig="contig"
    )
    return buffer.getvalue()


def samples(split: str) -> Iterator[tuple[int, np.ndarray, int]]:
    """Yields the number, the pixels and the label of each image of a split."""
    for number in range(SIZES[split]):
        place = FIRST[split] + number
        yield number, IMAGES[place], int(LABELS[place])


def path_of(split: str, number: int) -> str:
    """The path of an image in a folder."""
    label = CLASSES[LABELS[FIRST[split] + number]]
    return f"{split}/{label}/{number}.png"


def in_folder(split: str, number: int) -> str:
    """The path of an image of this number in the order of paths."""
    paths = sorted(path_of(split, n) for n in range(SIZES[split]))
    return paths[number]


def folder(root: pathlib.Path) -> Written:
    for split in SIZES:
        for number, image, _ in samples(split):
            path = root / path_of(split, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(image))
    return Written("folder", root, in_folder)


def table(root: pathlib.Path) -> pd.DataFrame:
    """The table of a folder, which is written too."""
    folder(root)
    rows = [
        (path_of(split, number), CLASSES[label], split, 0.5)
        for split in SIZES
        for number, _, label in samples(split)
    ]
    return pd.DataFrame(rows, columns=["Path", "label", "split", "weight"])


def manifest_csv(root: pathlib.Path) -> Written:
    table(root).to_csv(root / "all.csv", index=False, quoting=csv.QUOTE_ALL)
    return Written("manifest", root / "all.csv", path_of)


def manifest_jsonl(root: pathlib.Path) -> Written:
    table(root).to_json(root / "all.jsonl", orient="records", lines=True)
    return Written("manifest", root / "all.jsonl", path_of)


def manifest_parquet(root: pathlib.Path) -> Written:
    table(root).to_parquet(root / "all.parquet")
    return Written("manifest", root / "all.parquet", path_of)


def example(image: np.ndarray, label: int) -> bytes:
    def feature(**values) -> tf.train.Feature:
        ((kind, value),) = values.items()
        made = {
            "bytes": tf.train.BytesList,
            "int64": tf.train.Int64List,
        }[kind](value=[value])
        return tf.train.Feature(**{f"{kind}_list": made})

    features = {
        "image/encoded": feature(bytes=png(image)),
        "image/class/label": feature(int64=label),
    }
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def _shard(split: str, number: int) -> tuple[int, int]:
    """The shard of an image, of two, and its place in it."""
    half = SIZES[split] // 2
    return divmod(number, half)


def tfrecord(root: pathlib.Path) -> Written:
    root.mkdir(parents=True, exist_ok=True)

    def name(split: str, shard: int) -> str:
        return f"{split}.tfrecord-{shard:05}-of-00002"

    for split in SIZES:
        for shard in range(2):
            path = os.fspath(root / name(split, shard))
            with tf.io.TFRecordWriter(path) as writer:
                for number, image, label in samples(split):
                    if _shard(split, number)[0] == shard:
                        writer.write(example(image, label))

    def ids(split: str, number: int) -> str:
        shard, place = _shard(split, number)
        return f"{name(split, shard)}__{place}"

    return Written("tfrecord", root, ids, named=False)


def array_record(root: pathlib.Path) -> Written:
    root.mkdir(parents=True, exist_ok=True)
    for split in SIZES:
        writer = ArrayRecordWriter(
            os.fspath(root / f"birds-{split}.array_record"), "group_size:2"
        )
        for _, image, label in samples(split):
            writer.write(example(image, label))
        writer.close()
    return Written(
        "array_record",
        root / "birds-*.array_record",
        lambda split, number: f"birds-{split}.array_record__{number}",
        named=False,
    )


def wds(root: pathlib.Path) -> Written:
    root.mkdir(parents=True, exist_ok=True)
    for split in SIZES:
        for shard in range(2):
            path = os.fspath(root / f"{split}-{shard:04}.tar")
            with webdataset.TarWriter(path) as writer:
                for number, image, label in samples(split):
                    if _shard(split, number)[0] == shard:
                        sample = {"__key__": f"k{number:03}"}
                        sample |= {"png": png(image), "json": {"class": label}}
                        writer.write(sample)
    return Written(
        "webdataset",
        root / "{train,test}-{0000..0001}.tar",
        lambda s, n: f"{s}-{_shard(s, n)[0]:04}.tar/k{n:03}",
        named=False,
    )


def wds_cls(root: pathlib.Path) -> Written:
    """A directory with a directory a split, and texts as classes."""
    for split in SIZES:
        (root / split).mkdir(parents=True, exist_ok=True)
        path = os.fspath(root / split / "0.tar")
        with webdataset.TarWriter(path) as writer:
            for number, image, label in samples(split):
                key = f"a/{number}"
                text = CLASSES[label]
                writer.write({"__key__": key, "png": png(image), "cls": text})
    return Written("webdataset", root, lambda s, n: f"{s}/0.tar/a/{n}")


def zipped(root: pathlib.Path) -> Written:
    folder(root / "photos")
    with zipfile.ZipFile(root / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((root / "photos").rglob("*")):
            archive.write(path, path.relative_to(root))
    return Written(
        "archive", root / "p.zip", lambda s, n: f"photos/{in_folder(s, n)}"
    )


def tarred(root: pathlib.Path) -> Written:
    folder(root / "photos")
    with tarfile.open(root / "p.tar", "w") as archive:
        archive.add(root / "photos", ".")
    return Written("archive", root / "p.tar", in_folder)


def arrays(root: pathlib.Path, save: Callable = np.savez) -> Written:
    """As the files of keras.datasets are, whose labels have two dimensions."""
    root.mkdir(parents=True, exist_ok=True)
    values = {"class_names": np.array(CLASSES)}
    for split in SIZES:
        these = slice(FIRST[split], FIRST[split] + SIZES[split])
        values[f"x_{split}"] = IMAGES[these]
        values[f"y_{split}"] = LABELS[these, None].astype(np.uint8)
    save(root / "a.npz", **values)
    return Written("arrays", root / "a.npz", lambda s, n: f"x_{s}/{n}")


def packed_arrays(root: pathlib.Path) -> Written:
    return arrays(root, np.savez_compressed)


def mapped_arrays(root: pathlib.Path) -> Written:
    written = arrays(root)
    with np.load(written.place) as values:
        for name, value in values.items():
            np.save(root / f"{name}.npy", value)
    written.place.unlink()
    return written._replace(place=root)


def _hf(split: str) -> datasets.Dataset:
    rows = [
        {"image": {"bytes": png(image), "path": None}, "label": label}
        for _, image, label in samples(split)
    ]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(CLASSES)),
        }
    )
    return datasets.Dataset.from_list(rows, features=features)


def hf_saved(root: pathlib.Path) -> Written:
    made = datasets.DatasetDict({split: _hf(split) for split in SIZES})
    made.save_to_disk(os.fspath(root / "saved"))
    return Written("huggingface", root / "saved", lambda s, n: f"{s}/{n}")


def hf_arrays(root: pathlib.Path) -> Written:
    """Columns of arrays, in the place of files."""
    shape, dtype = IMAGES.shape[1:], IMAGES.dtype.name
    labels = datasets.ClassLabel(names=list(CLASSES))
    features = {"x": datasets.Array3D(shape, dtype), "label": labels}
    made = {
        split: datasets.Dataset.from_list(
            [{"x": image, "label": k} for _, image, k in samples(split)],
            features=datasets.Features(features),
        )
        for split in SIZES
    }
    datasets.DatasetDict(made).save_to_disk(os.fspath(root / "saved"))
    return Written("huggingface", root / "saved", lambda s, n: f"{s}/{n}")


def hf_parquet(root: pathlib.Path) -> Written:
    (root / "data").mkdir(parents=True)
    for split in SIZES:
        name = f"data/{split}-00000-of-00001.parquet"
        _hf(split).to_parquet(os.fspath(root / name))
    return Written(
        f"huggingface:{root}", root / "cache", lambda s, n: f"{s}/{n}"
    )


FUNCTION = """
import json
import pathlib

from and_tf.data import Reader


class Photos(Reader):
    def __init__(self, root, split):
        self.root = pathlib.Path(root)
        rows = json.loads((self.root / "rows.json").read_text())[split]
        self.names = [name for name, _ in rows]
        self.labels = [label for _, label in rows]

    def read(self, number):
        return (self.root / self.names[number]).read_bytes()


def read(data_dir):
    return {name: Photos(data_dir, name) for name in ("train", "test")}
"""


def function(root: pathlib.Path) -> Written:
    """A function in the directory of the data, which tests work in."""
    rows = table(root)
    told = {
        split: rows[rows.split == split][["Path", "label"]].values.tolist()
        for split in SIZES
    }
    (root / "rows.json").write_text(json.dumps(told))
    (root / "readers_of_a_test.py").write_text(FUNCTION)
    return Written("readers_of_a_test:read", root, path_of)


WRITERS = (
    folder, manifest_csv, manifest_jsonl, manifest_parquet, tfrecord,
    array_record, wds, wds_cls, zipped, tarred, arrays, packed_arrays,
    mapped_arrays, hf_saved, hf_arrays, hf_parquet, function,
)  # fmt: skip
