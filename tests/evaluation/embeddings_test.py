"""Embeddings of a split, whichever device computes them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf.data.split import in_memory
from and_tf.evaluation import embeddings


class Encoder(keras.Model):
    """The mean colour of each image; notes the sizes of batches it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def call(self, images: tf.Tensor) -> tf.Tensor:
        # A compiled function would be made anew for each of these.
        tf.py_function(
            lambda size: self.sizes.append(int(size)), [tf.shape(images)[0]], []
        )
        return tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2])


@pytest.mark.parametrize(
    ("on_cpu", "sizes"), [(True, {8, 3}), (False, {8})], ids=["CPU", "other"]
)
def test_an_accelerator_gets_batches_of_one_size(on_cpu, sizes, monkeypatch):
    monkeypatch.setattr(embeddings, "pass_batch", lambda side: 8)
    monkeypatch.setattr(embeddings, "on_cpu", lambda: on_cpu)
    images = np.random.default_rng(0).integers(0, 256, (19, 4, 4, 3), np.uint8)
    model, told = Encoder(), []
    split = in_memory("x", images, None)
    found = embeddings.embed(model, split, 4, told.append)
    np.testing.assert_allclose(found, images.mean((1, 2)), rtol=1e-6)
    assert set(model.sizes) == sizes
    assert told == [8, 8, 3]
