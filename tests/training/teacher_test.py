"""A teacher's rows: computed once, kept in files, and the same ever after."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from and_tf.data.split import Split, Stream, in_memory, shuffled_numbers
from and_tf.training import teacher as teaching
from and_tf.training import teacher_files
from and_tf.training.teacher import Teacher, teacher_rows
from tests.conftest import unit

NUM, SIDE, DIM = 50, 8, 5
EMBEDDED: list[int] = []  # The number of images of each call of the trunk.


def split() -> Split:
    pixels = np.random.default_rng(0).integers(
        0, 256, (NUM, SIDE, SIDE, 3), np.uint8
    )
    return in_memory("toy", pixels, None)


def streamed() -> Split:
    """The same images, where a number stands for an encoded image."""
    pixels = split().images
    stream = Stream(
        lambda seed: shuffled_numbers(NUM, seed).map(lambda n: (n, n)),
        lambda number: tf.gather(pixels, number),
    )
    return Split("toy", NUM, (SIDE, SIDE), stream)


class Noting(keras.layers.Layer):
    """Notes the sizes of the batches that come by."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        def note(x: np.ndarray) -> np.ndarray:
            EMBEDDED.append(len(x))
            return x

        found = tf.numpy_function(note, [images], images.dtype)
        return tf.ensure_shape(found, images.shape)


def teacher(**changes) -> Teacher:
    """The mean colour of each quarter of an image: 12 features."""
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 255)(Noting()(images))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(SIDE // 2)(x))
    options = {"image_size": SIDE, "dim": DIM, "description": {"of": "toys"}}
    trunk = keras.Model(images, x)
    return Teacher(lambda: trunk, **options | changes)


def features(images: np.ndarray) -> np.ndarray:
    quarters = images.reshape(len(images), 2, 4, 2, 4, 3) / 255
    return quarters.mean((2, 4)).reshape(len(images), -1)


def expected() -> np.ndarray:
    """Rows up to the signs of the columns."""
    pca = PCA(DIM, whiten=True, svd_solver="full")
    return unit(pca.fit_transform(features(split().images)))


def assert_same_cosines(received: np.ndarray, rows: np.ndarray) -> None:
    assert received.dtype == np.float32
    np.testing.assert_allclose(received @ received.T, rows @ rows.T, atol=1e-4)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Batches of 8 images, and files of 16 rows."""
    monkeypatch.setattr(teaching, "BATCH", 8)
    monkeypatch.setattr(teacher_files, "PART_BYTES", 16 * DIM * 4)
    EMBEDDED.clear()


def test_rows_are_whitened_features_computed_once(tmp_path, capsys):
    found = teacher_rows(teacher(), split(), tmp_path / "teacher")
    assert_same_cosines(found.rows, expected())
    np.testing.assert_allclose(np.linalg.norm(found.rows, axis=1), 1, rtol=1e-6)
    assert sum(EMBEDDED) == NUM
    assert found.targets is found.rows
    names = {path.name for path in (tmp_path / "teacher").iterdir()}
    assert names == {
        "head.npz", *(f"rows_{start:09}.npz" for start in (0, 16, 32, 48))
    }  # fmt: skip
    assert "50/50" in capsys.readouterr().err

    again = teacher_rows(teacher(), split(), tmp_path / "teacher")
    assert sum(EMBEDDED) == NUM
    np.testing.assert_array_equal(again.rows, found.rows)
    assert again.digest == found.digest
    # Other images go through the same head.
    np.testing.assert_allclose(
        again.head.rows(features(split().images[:3]).astype(np.float32)),
        found.rows[:3],
        atol=1e-5,
    )


@pytest.mark.parametrize("harm", ["lost", "cut off"])
def test_what_was_lost_is_computed_again(harm, tmp_path):
    found = teacher_rows(teacher(), split(), tmp_path)
    EMBEDDED.clear()
    part = tmp_path / "rows_000000032.npz"
    if harm == "lost":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[:-100])
    again = teacher_rows(teacher(), split(), tmp_path)
    assert sum(EMBEDDED) == NUM - 32
    np.testing.assert_allclose(again.rows, found.rows, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [{"description": {"of": "others"}}, {"power": 0.5}, {"dim": 4}],
    ids=str,
)
def test_files_of_another_teacher_are_not_taken(changes, tmp_path):
    teacher_rows(teacher(), split(), tmp_path / "same")
    found = teacher_rows(teacher(**changes), split(), tmp_path / "same")
    alone = teacher_rows(teacher(**changes), split(), tmp_path / "alone")
    np.testing.assert_array_equal(found.rows, alone.rows)
    assert sum(EMBEDDED) == 3 * NUM


@pytest.mark.parametrize("stream", [False, True], ids=["held", "streamed"])
def test_a_large_set_is_whitened_by_some_of_its_images(
    stream, tmp_path, monkeypatch
):
    """And passed once, after them."""
    monkeypatch.setattr(teaching, "FIT_IMAGES", 40)
    images = streamed() if stream else split()
    found = teacher_rows(teacher(), images, tmp_path)
    assert sum(EMBEDDED) == 40 + NUM
    x = features(split().images).astype(np.float32)
    np.testing.assert_allclose(found.rows, found.head.rows(x), atol=1e-5)
    # Forty of fifty say nearly what all say.
    agreement = (found.rows @ found.rows.T) * (expected() @ expected().T)
    assert agreement.mean() > 0.15


def test_targets_may_be_means_of_neighbourhoods(tmp_path):
    found = teacher_rows(teacher(), split(), tmp_path, neighbours=3)
    search = NearestNeighbors(n_neighbors=4).fit(found.rows)
    members = search.kneighbors(found.rows, return_distance=False)
    means = unit(found.rows[members].mean(axis=1))
    np.testing.assert_allclose(found.targets, means, atol=1e-5)
    (tmp_path / "rows_000000000.npz").rename(tmp_path / "aside")
    (tmp_path / "aside").rename(tmp_path / "rows_000000000.npz")
    again = teacher_rows(teacher(), split(), tmp_path, neighbours=3)
    assert again.digest == found.digest
    more = teacher_rows(teacher(), split(), tmp_path, neighbours=4)
    assert more.digest != found.digest
    assert sum(EMBEDDED) == NUM


def test_two_devices_share_the_images(tmp_path):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        two = teacher()
    found = teacher_rows(two, split(), tmp_path)
    assert len(EMBEDDED) == 14 and sum(EMBEDDED) == NUM
    assert_same_cosines(found.rows, expected())
