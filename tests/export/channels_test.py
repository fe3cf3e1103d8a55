"""Tests of runs of other channels, through every command."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from and_tf import protocols
from and_tf.data.pixel_format import PixelFormat
from and_tf.training import trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export.embeddings import encoders
from export.embeddings.index import Index
from export.onnx_file import runner
from export.tflite.encoder import TFLiteEncoder
from tests import mains
from tests.small_clustering import cluster

SIDE, COUNT = 16, 24


def trained(place: pathlib.Path, **changes) -> Run:
    """Trains for an epoch on the images in `place`/images."""
    config = TrainConfig(
        **{
            "dataset": "folder",
            "data_dir": str(place / "images"),
            "encoder": "small",
            "embedding_dim": 8,
            "image_size": SIDE,
            "initial_epochs": 1,
            "rounds": 0,
            "batch_size": 12,
            "run_dir": str(place / "run"),
            **changes,
        }
    )
    trainer.train(config)
    return Run(config.run_directory)


def scene(rng, kind: int, channels: int) -> np.ndarray:
    pixels = rng.integers(100, 900, (SIDE + 4, SIDE + 2, channels))
    return pixels + 800 * kind


def files(
    place: pathlib.Path, suffix: str
) -> Iterator[tuple[pathlib.Path, int]]:
    """Yields the paths of two splits of two classes, and the class of each."""
    for split in ("train", "test"):
        for number in range(COUNT):
            kind = number % 2
            below = place / "images" / split / "ab"[kind]
            below.mkdir(parents=True, exist_ok=True)
            yield below / f"{number:02}.{suffix}", kind


@pytest.fixture(scope="session")
def bands(tmp_path_factory) -> Run:
    """A run on TIFFs of five bands of 16 bits, in two classes."""
    place, rng = tmp_path_factory.mktemp("bands"), np.random.default_rng(0)
    for path, kind in files(place, "tif"):
        pixels = scene(rng, kind, 5).astype(np.uint16)
        tifffile.imwrite(
            path, pixels, photometric="minisblack", planarconfig="contig"
        )
    return trained(place, channels=5)


@pytest.fixture(scope="session")
def grey(tmp_path_factory) -> Run:
    """A run on grey PNGs that are kept grey, in two classes."""
    place, rng = tmp_path_factory.mktemp("grey"), np.random.default_rng(0)
    for path, kind in files(place, "png"):
        pixels = scene(rng, kind, 1)[..., 0] // 7
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return trained(place, channels=1)


@pytest.fixture(params=["bands", "grey"])
def run(request) -> Run:
    return request.getfixturevalue(request.param)


def export(name: str, run: Run, output: pathlib.Path, *more: str) -> None:
    flag = "output_dir" if name == "saved_model" else "output"
    place = [f"--run_dir={run.directory.path}", f"--{flag}={output}"]
    mains.run(f"export.{name}", [*place, *more])


def clean(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Returns the levels of the test images and their embeddings."""
    split = run.images.test
    assert split.images.shape == (COUNT, SIDE, SIDE, run.form.channels)
    return split.images, run.encoder.predict(split.images, verbose=0)


def test_the_run_says_what_it_sees(bands, grey):
    assert bands.form.channels == 5 and bands.form.ranged
    assert bands.encoder.input_shape == (None, SIDE, SIDE, 5)
    assert (bands.images.form, bands.form.low[0] < 200) == (bands.form, True)
    assert grey.form == PixelFormat(1)
    assert grey.encoder.input_shape == (None, SIDE, SIDE, 1)
    for run in (bands, grey):
        found = protocols.evaluate(run, ["knn"])["knn"]
        # The kinds differ by their brightness.
        assert found["clean_top1"] > 0.9
        mains.run("and_tf.report", [f"--run_dir={run.directory.path}"])
        assert (run.directory.path / "report.html").stat().st_size > 9_000


def test_exports_embed_alike(run, tmp_path, capsys):
    levels, expected = clean(run)
    values = run.form.values(levels)
    dtype = np.float32 if run.form.ranged else np.uint8
    assert values.dtype == dtype

    export("keras_model", run, tmp_path / "e.keras")
    opened = keras.models.load_model(tmp_path / "e.keras")
    found = opened.predict(values, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)

    export("onnx", run, tmp_path / "e.onnx")
    (found,) = runner((tmp_path / "e.onnx").read_bytes())(values).values()
    np.testing.assert_allclose(found, expected, atol=1e-5)

    for mode, least in (("none", 1 - 1e-5), ("int8", 0.9)):
        file = tmp_path / f"{mode}.tflite"
        export("tflite", run, file, f"--quantize={mode}")
        found = TFLiteEncoder(file)(values)
        assert (found * expected).sum(axis=1).min() > least
        told = json.loads(file.with_suffix(".json").read_text())
        assert told["input"]["shape"] == [None, *levels.shape[1:]]
        assert told["input"]["dtype"] == np.dtype(dtype).name
        assert told["measured"]["minimum_cosine"] > least
        assert PixelFormat.of(told) == run.form

    export("saved_model", run, tmp_path / "served", "--neighbours=2")
    model = tf.saved_model.load(tmp_path / "served" / "1")
    names = {"serving_default", "neighbours"}
    if not run.form.ranged:
        names |= {"serving_bytes", "neighbours_bytes"}
    assert set(model.signatures) == names
    assert ("no signature takes files" in capsys.readouterr().out) == (
        run.form.ranged
    )
    found = model.signatures["serving_default"](images=tf.constant(values))
    np.testing.assert_allclose(found["embedding"], expected, atol=1e-5)
    if not run.form.ranged:
        root = run.images.test.file_names
        files = [
            (pathlib.Path(run.config.data_dir) / name).read_bytes()
            for name in root
        ]
        found = model.signatures["serving_bytes"](
            image_bytes=tf.constant(files)
        )
        np.testing.assert_allclose(found["embedding"], expected, atol=1e-5)

    photos = pathlib.Path(run.config.data_dir) / "test"
    for file in ("none.tflite", "served"):
        table = tmp_path / f"{file}.npz"
        mains.run(
            "export.embed",
            [
                f"--model={tmp_path / file}",
                f"--images={photos}",
                f"--output={table}",
            ],
        )
        with np.load(table) as rows:
            np.testing.assert_allclose(rows["embeddings"], expected, atol=1e-5)
    index = Index.read(table)
    query = index.query(str(photos / index.table.file_names[3]))
    np.testing.assert_allclose(query.embedding, expected[3], atol=1e-5)
    pictures = index.pictures([0, 3])
    assert query.image.shape == pictures[1].shape == (SIDE + 4, SIDE + 2, 3)


def test_a_range_needs_its_note(bands, tmp_path):
    export("tflite", bands, tmp_path / "e.tflite", "--noevaluate")
    (tmp_path / "e.json").unlink()
    with pytest.raises(InputError, match="which values it maps to levels"):
        encoders.load(tmp_path / "e.tflite")


def test_files_of_16_bits_as_they_are(bands, tmp_path):
    """A client needs only the file's values, of any size."""
    export("saved_model", bands, tmp_path)
    model = tf.saved_model.load(tmp_path / "1")
    name = bands.images.test.file_names[5]
    values = tifffile.imread(pathlib.Path(bands.config.data_dir) / name)
    found = model.signatures["serving_default"](
        images=tf.constant(values[None].astype(np.float32))
    )
    np.testing.assert_allclose(
        found["embedding"][0], clean(bands)[1][5], atol=1e-5
    )


def test_images_of_other_channels_are_refused(bands, grey, tmp_path, capsys):
    export("saved_model", bands, tmp_path / "served")
    np.savez(tmp_path / "two.npz", images=np.zeros((3, 8, 8, 2), np.uint8))
    for images, told in (
        (grey.config.data_dir, "none of which can be read as 5 channels"),
        (tmp_path / "two.npz", "images of numbers [N, H, W, 5] for this model"),
    ):
        flags = [f"--model={tmp_path / 'served'}", f"--images={images}"]
        flags.append(f"--output={tmp_path / 'e.npz'}")
        assert told in mains.refusal("export.embed", flags, capsys).err


def test_clusters_and_classes(bands, tmp_path):
    levels, _ = clean(bands)
    place = cluster(
        bands.directory.path,
        tmp_path / "scan",
        clusters=2,
        epochs=1,
        neighbours=3,
        batch_size=12,
        self_labelling_epochs=1,
        threshold=0.5,
    )
    mains.run(
        "and_tf.finetune",
        [
            f"--run_dir={bands.directory.path}",
            f"--output_dir={tmp_path / 'tuned'}",
            "--epochs=1",
            "--head_epochs=5",
            "--nocompare",
        ],
    )
    for path in (place, tmp_path / "tuned"):
        output = path / "e.keras"
        mains.run(
            "export.keras_model", [f"--run_dir={path}", f"--output={output}"]
        )
        opened = keras.models.load_model(output)
        answers = opened.predict(bands.form.values(levels), verbose=0)
        assert answers["probabilities"].shape == (COUNT, 2)


def test_an_exploration(bands, tmp_path):
    mains.run(
        "and_tf.explore",
        [
            f"--images={pathlib.Path(bands.config.data_dir) / 'test'}",
            f"--output={tmp_path / 'explored'}",
            f"--run_dir={bands.directory.path}",
            "--clusters=2",
        ],
    )
    told = json.loads((tmp_path / "explored" / "explore.json").read_text())
    assert (told["count"], told["left_out"]) == (COUNT, 0)


def test_encoders_of_other_channels_are_refused(bands, tmp_path):
    images = bands.config.data_dir
    for changes in (
        {"encoder": str(bands.directory.path), "channels": 3},
        {"encoder": "applications:MobileNetV3Small", "channels": 5},
    ):
        with pytest.raises(InputError, match="Expected an encoder of"):
            trainer.train(
                TrainConfig(
                    dataset="folder",
                    data_dir=images,
                    run_dir=str(tmp_path / "run"),
                    initial_epochs=1,
                    rounds=0,
                    **changes,
                )
            )
