"""Runs that begin with trained weights, from each place they come from."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from and_tf import encoders, protocols
from and_tf.encoders import efficientnet_lite, heads, torch_file, weights
from and_tf.evaluation.knn import weighted_knn
from and_tf.protocols import embedding
from and_tf.protocols.config import Options
from and_tf.training import sources, trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError
from tests import mains
from tests.conftest import unit
from tests.same_run import assert_same_run
from tests.small_clustering import cluster
from tests.small_run import digits, evaluate_knn, interrupted

HERE = "tests.training.pretrained_test"
SIDE, DIM = 8, 6
SMALL = {
    "embedding_dim": DIM,
    "max_train_examples": 150,
    "max_test_examples": 50,
    "bank_initialiser": "",
    "rounds": 0,
    "initial_epochs": 1,
    "batch_size": 50,
}


def network() -> keras.Model:
    """Returns a network that "was trained": its norm has moved."""
    images = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(images)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(12, 3, strides=2, activation="relu", name="last")(x)
    made = keras.Model(images, layers.Flatten(name="flat")(x), name="mine")
    rng = np.random.default_rng(5)
    made.set_weights([rng.normal(0, 0.3, w.shape) for w in made.get_weights()])
    made.get_layer("norm").set_weights(list(rng.uniform(0.5, 1.5, (4, 8))))
    return made


def features(images: np.ndarray) -> np.ndarray:
    """The network's features of pixel values 0..1, as the runs give them."""
    return np.asarray(network()(images.astype(np.float32) / 255))


@pytest.fixture(scope="module", autouse=True)
def quick_map():
    """Two of the embedding's axes as the map, which t-SNE takes seconds for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "tsne", lambda rows, seed: rows[:, :2])
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """A directory with the network as a file and as a SavedModel."""
    path = tmp_path_factory.mktemp("pretrained")
    network().save(path / "mine.keras")
    network().export(str(path / "theirs"), verbose=False)
    return path


def config(path: pathlib.Path, name: str, **changes):
    return digits(path, name, **{**SMALL, "pixels": "0..1", **changes})


@pytest.fixture(scope="module")
def start(place) -> tuple[RunDirectory, dict]:
    """A run of no epochs, which only evaluates the network."""
    flags = config(
        place, "start", encoder=f"{place}/mine.keras", initial_epochs=0
    )
    return RunDirectory(flags.run_directory), trainer.train(flags)


def whitened(train: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whitens features by an eigendecomposition, up to signs, in float64."""
    train, others = train.astype(np.float64), others.astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(train.T))
    values, vectors = values[::-1][:DIM], vectors[:, ::-1][:, :DIM]
    return unit((others - train.mean(0)) @ vectors / np.sqrt(values))


def test_without_epochs_the_figures_are_those_of_the_weights(start):
    directory, result = start
    images = Run(directory.path).images
    train, test = features(images.train.images), features(images.test.images)
    labels = images.test.labels, images.train.labels
    frozen = weighted_knn(unit(test), labels[0], unit(train), labels[1])
    rows, asked = whitened(train, train), whitened(train, test)
    head = weighted_knn(asked, labels[0], rows, labels[1])
    assert result["knn_baselines"]["frozen features"] == frozen.top1
    assert result["knn_baselines"]["whitened head"] == head.top1
    assert "untrained encoder" not in result["knn_baselines"]
    assert result["knn_top1_last"] == head.top1 > 0.5
    assert result["knn_top5_last"] == head.top5
    assert (result["epochs"], result["neighbourhoods"]) == (0, [])
    assert result["pretrained"] == {
        "source": str(directory.path.parent / "mine.keras"),
        "file": "mine.keras",
        "sha256": result["pretrained"]["sha256"],
        "labels": "unknown",
    }
    assert json.loads(directory.result.read_text()) == result
    (path,) = directory.checkpoints.paths()
    assert path.name == "epoch_00000.npz"
    # The bank holds the embeddings, and cosines have no signs of components.
    bank = Run(directory.path).bank_rows()
    np.testing.assert_allclose(bank @ bank.T, rows @ rows.T, atol=1e-3)
    found = Run(directory.path).encoder(images.test.images)
    np.testing.assert_allclose(found @ bank.T, asked @ rows.T, atol=1e-3)


def test_the_same_command_shows_the_result(start, capsys):
    directory, result = start
    before = directory.checkpoints.paths()[0].read_bytes()
    flags = directory.config().to_flags()
    printed = mains.refusal("and_tf.train", flags, capsys)
    assert "Add --resume" in printed.err
    mains.run("and_tf.train", [*flags, "--resume"])
    printed = capsys.readouterr().out
    assert re.search(
        rf"whitened head +{100 * result['knn_top1_last']:.1f} %", printed
    )
    assert json.loads(directory.result.read_text()) == result
    assert directory.checkpoints.paths()[0].read_bytes() == before
    # As after a kill between its checkpoint and its result.
    directory.result.unlink()
    mains.run("and_tf.train", [*flags, "--resume"])
    again = directory.read_result()
    for key in ("knn_top1_last", "knn_top5_last", "knn_baselines", "epochs"):
        assert again[key] == result[key]


def test_a_run_without_epochs_is_evaluated(start, capsys):
    directory, result = start
    run = Run(directory.path)
    found = protocols.evaluate(
        run,
        ["knn", "linear", "kmeans", "embedding", "attention", "neighbourhoods"],
        Options(kmeans_seeds=1, linear_epochs=2, attention_measured=8),
    )
    assert found["knn"]["clean_top1"] == result["knn_top1_last"]
    assert found["knn"]["bank_top1"] == result["knn_top1_last"]
    assert found["kmeans"]["epochs"] == 0
    assert run.directory.picture("attention").is_file()
    (row,) = found["neighbourhoods"]["rounds"]
    assert row["consistency"] == result["neighbours"]["consistency"]
    with pytest.raises(InputError, match="for --checkpoint=best"):
        _ = Run(directory.path, "best").checkpoint
    mains.run("and_tf.report", [f"--run_dir={directory.path}"])
    page = (directory.path / "report.html").read_text()
    assert f"{100 * result['knn_top1_last']:.1f} %" in page
    assert "which have seen unknown labels. Labels have helped" in page


def test_a_run_without_epochs_is_clustered(start, tmp_path):
    directory, _ = start
    output = cluster(directory.path, tmp_path / "scan", epochs=1, heads=1)
    assert json.loads((output / "result.json").read_text())["epochs"] == 1


def test_a_run_without_epochs_is_exported(start, tmp_path):
    directory, _ = start
    run = f"--run_dir={directory.path}"
    images = Run(directory.path).images.test.images[:5]
    expected = Run(directory.path).encoder(images)
    mains.run("export.saved_model", [run, f"--output_dir={tmp_path}/saved"])
    saved = tf.saved_model.load(f"{tmp_path}/saved/1")
    found = saved.signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(
        next(iter(found.values())), expected, rtol=1e-3, atol=1e-4
    )
    mains.run("export.keras_model", [run, f"--output={tmp_path}/a.keras"])
    plain = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_allclose(plain(images), expected, atol=1e-4)
    mains.run("export.tflite", [run, f"--output={tmp_path}/a.tflite"])
    assert (tmp_path / "a.tflite").stat().st_size > 1000


def test_an_epoch_from_a_file_that_is_gone_then(place, monkeypatch, capsys):
    """It learns: all but the norm moves. To the bit if it is interrupted."""
    file = place / "gone.keras"
    shutil.copy(place / "mine.keras", file)
    one, two = (
        config(
            place, name, encoder=str(file), trunk_learning_rate=1e-4,
            checkpoint_steps=1,
        )
        for name in ("file", "file_again")
    )  # fmt: skip
    trainer.train(one)
    printed = capsys.readouterr().out
    assert "head: whitened, 6 numbers; images of 8 pixels" in printed
    assert "batch norms frozen; rate 0.0005, trunk 0.0001" in printed
    assert f"{file} gets pixel values 0..1" in printed
    directory = RunDirectory(one.run_directory)
    interrupted(two, 0, monkeypatch, step=2)
    file.unlink()
    trainer.train(dataclasses.replace(two, resume=True))
    assert_same_run(directory, RunDirectory(two.run_directory))
    trunk, _ = heads.split(Run(directory.path).encoder)
    pairs = zip(trunk.weights, network().weights, strict=True)
    moved = {v.path for v, w in pairs if np.abs(v - w).max() > 0}
    layers_moved = {path.split("/")[0] for path in moved}
    assert layers_moved == {"conv", "last"}


@pytest.mark.parametrize(
    "encoder, rounds", [("mine.keras", 0), ("mine.keras", 1), ("small", 1)]
)
def test_the_head_is_whitened_after_the_last_epoch(
    place, monkeypatch, capsys, encoder, rounds
):
    """Of trained weights by default, of random ones if --rewhiten is given."""
    own = {"width": 0.25, "features": 9, "rewhiten": True, "pixels": ""}
    trained = {"encoder": f"{place}/mine.keras"}
    flags = config(
        place,
        f"again{rounds}_{encoder}",
        **own | {"encoder": "small"} if encoder == "small" else trained,
        rounds=rounds,
        epochs_per_round=1,
        learning_rate=0.05,
        checkpoint_steps=1,
    )
    result = trainer.train(flags)
    run = Run(flags.run_directory)
    trunk, _ = heads.split(run.encoder)
    train, test = (
        np.asarray(trunk(split.images))
        for split in (run.images.train, run.images.test)
    )
    if encoder != "small":  # The features have learnt.
        assert np.abs(train - features(run.images.train.images)).max() > 0.01
    rows, asked = whitened(train, train), whitened(train, test)
    bank = run.bank_rows()
    np.testing.assert_allclose(bank @ bank.T, rows @ rows.T, atol=1e-3)
    labels = run.images.test.labels, run.images.train.labels
    found = weighted_knn(asked, labels[0], rows, labels[1])
    assert result["knn_top1_last"] == found.top1
    # The round's own figure is that of the head as it was learnt.
    learnt = run.history[-1]["knn_learnt"]
    assert result["neighbourhoods"][-1]["knn_clean"] == learnt
    assert result["knn_top1_learnt"] == learnt != found.top1
    printed = capsys.readouterr().out
    assert f"whitened at the end{100 * found.top1:>13.1f} %" in printed
    # A run that is interrupted in its last epoch ends alike.
    other = dataclasses.replace(
        flags, run_dir=f"{flags.run_dir}_resumed", resume=True
    )
    interrupted(other, rounds, monkeypatch, step=1)
    trainer.train(other)
    assert_same_run(run.directory, RunDirectory(other.run_directory))


def test_the_head_stays_as_it_was_learnt_where_it_was_taught():
    made = TrainConfig(encoder="mine.keras")
    assert made.resolved.rewhiten
    for changes in (
        {"train": "head"},
        {"head": "linear"},
        {"rewhiten": False},
        {
            "teacher": "efficientnet_lite0",
            "teacher_weights": "imagenet",
            "distillation_weight": 1.0,
        },
    ):
        assert not dataclasses.replace(made, **changes).resolved.rewhiten
    assert not TrainConfig().resolved.rewhiten
    with pytest.raises(InputError, match="--rewhiten only with --head=linear"):
        TrainConfig(rewhiten=True, head="mlp")
    longer = dataclasses.replace(made, rounds=0, initial_epochs=200)
    assert made.instance_differences(longer) == ["rounds"]


def test_a_layer_of_the_heads_name_has_the_trunks_rate(place):
    flags = config(
        place, "none", encoder="tests.encoders.freezing_test:named_like_a_head",
        embedding_dim=3, trunk_learning_rate=0.01, learning_rate=0.02,
        freeze_batch_norm=False,
    )  # fmt: skip
    images = trainer.load_images(flags)
    trunk = sources.find(flags).describe(flags, SIDE)
    model = trainer.build_model(flags, images, trunk)
    paths = [v.path for v in model.trainable_variables]
    assert paths[-4:] == ["projection/kernel", "projection/bias"] * 2
    assert model.optimizer.rate_factors == [0.5] * 6 + [1.0] * 2


def test_an_epoch_from_a_saved_model_that_is_gone_then(place, tmp_path):
    source = tmp_path / "theirs"
    shutil.copytree(place / "theirs", source)
    flags = config(tmp_path, "run", encoder=str(source))
    result = trainer.train(flags)
    assert result["pretrained"]["labels"] == "unknown"
    shutil.rmtree(source)
    moved = flags.run_directory.rename(tmp_path / "moved")
    run = Run(moved)
    assert evaluate_knn(run)["clean_top1"] == result["knn_top1_last"]
    images = run.images.test.images
    trunk, _ = heads.split(run.encoder)
    np.testing.assert_allclose(trunk(images), features(images), atol=1e-4)
    assert [v.path for v in run.encoder.variables] == [
        "projection/kernel", "projection/bias"
    ]  # fmt: skip
    # Another run takes it over, with a copy of its own.
    flags = config(tmp_path, "next", encoder=str(moved), pixels="")
    trainer.train(flags)
    shutil.rmtree(moved)
    trunk, _ = heads.split(Run(flags.run_directory).encoder)
    np.testing.assert_allclose(trunk(images), features(images), atol=1e-4)
    with pytest.raises(InputError, match="known, for maps of .*saved_model"):
        protocols.evaluate(Run(flags.run_directory), ["attention"])


def test_an_epoch_from_a_function(tmp_path):
    flags = config(
        tmp_path, "run", encoder=f"{HERE}:network", train="last", head="mlp"
    )
    trainer.train(flags)
    run = Run(flags.run_directory)
    own = {layer.name: layer for layer in run.encoder.layers}
    for name, learns in (("conv", False), ("norm", False), ("last", True)):
        before = network().get_layer(name).get_weights()
        after = own[name].get_weights()
        same = all(map(np.array_equal, before, after))
        assert same != learns, name
    assert own["head_hidden"].kernel.shape == (48, 48)


def test_an_epoch_from_random_weights_of_a_known_network(tmp_path):
    flags = config(
        tmp_path, "run", encoder="applications:mobilenet", image_size=32,
        pixels="", max_train_examples=60,
    )  # fmt: skip
    result = trainer.train(flags)
    assert result["pretrained"] is None
    assert "untrained encoder" in result["knn_baselines"]
    checkpoint = Run(flags.run_directory).checkpoint
    assert checkpoint.metadata["encoder"]["trunk"]["name"] == "MobileNet"
    assert Run(flags.run_directory).config.resolved.head == "linear"


@pytest.mark.parametrize("size", [0, 12])
def test_an_epoch_from_an_earlier_run(place, start, size):
    directory, _ = start
    flags = config(
        place, f"next_{size}", encoder=str(directory.path), pixels="",
        head="linear", embedding_dim=5, initial_epochs=0, image_size=size,
    )  # fmt: skip
    if size:  # Its features are a map as it is, with no average behind.
        with pytest.raises(InputError, match="views of 8 pixels"):
            trainer.train(flags)
        return
    result = trainer.train(flags)
    assert result["pretrained"]["source"] == str(directory.path)
    assert result["pretrained"]["file"] == "epoch_00000.npz"
    one, two = (
        heads.split(Run(d).encoder)[0]
        for d in (directory.path, flags.run_directory)
    )
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "linear head" in result["knn_baselines"]


def convolutions(image_size: int | None = SIDE) -> keras.Model:
    """Returns a network for images of any size."""
    images = keras.Input((image_size, image_size, 3))
    return keras.Model(images, layers.Conv2D(8, 3, name="conv")(images))


@pytest.mark.parametrize("kind", ["own", "file", "function"])
def test_an_earlier_run_on_images_of_another_size(kind, tmp_path):
    """Networks of our own keep their stem; others get an input of that size."""
    changes = {"initial_epochs": 0, "pixels": "", "max_train_examples": 60}
    if kind == "own":
        trunk, _ = heads.split(encoders.build("resnet18", SIDE, width=0.02))
        arrays = {v.path: v for v in trunk.weights}
        np.savez(tmp_path / "own.npz", **arrays)
        own = {"encoder": "resnet18", "weights": f"{tmp_path}/own.npz"}
        first = {**own, "width": 0.02}
    elif kind == "file":
        convolutions(None).save(tmp_path / "mine.keras")
        first = {"encoder": f"{tmp_path}/mine.keras", "image_size": SIDE}
    else:
        first = {"encoder": f"{HERE}:convolutions"}
    trainer.train(config(tmp_path, "a", **changes, **first))
    changes["image_size"] = 72
    trainer.train(config(tmp_path, "b", encoder=f"{tmp_path}/a", **changes))
    one, two = (Run(tmp_path / name).encoder for name in "ab")
    assert two.input_shape == (None, 72, 72, 3)
    pairs = zip(*(heads.split(e)[0].get_weights() for e in (one, two)))
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_efficientnet_with_the_weights_of_its_package(tmp_path, capsys):
    flags = config(
        tmp_path, "run", encoder="efficientnet_lite0", weights="imagenet",
        pixels="", image_size=32, max_train_examples=60, batch_size=30,
        train="last_stage", max_test_examples=20,
    )  # fmt: skip
    result = trainer.train(flags)
    printed = capsys.readouterr().out
    assert "weights: imagenet, which have seen ImageNet-1k" in printed
    assert result["pretrained"]["file"].endswith(".pth")
    assert result["knn_baselines"]["frozen features"] > 0.2
    file = weights.find("efficientnet_lite0", "imagenet")
    expected = efficientnet_lite.keras_arrays(
        "efficientnet_lite0", torch_file.read(file)
    )
    (path,) = RunDirectory(flags.run_directory).checkpoints.paths()
    moved = set()
    with np.load(path) as arrays:
        for name, before in expected.items():
            (key,) = (k for k in arrays.files if k.endswith(f"/{name}"))
            if not np.array_equal(arrays[key], before):
                moved.add(name)
    assert moved == {
        name
        for name in expected
        if name.startswith("stage5") and name.endswith("kernel")
    }
