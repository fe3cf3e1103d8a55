"""The README's Python is Python that runs."""

from __future__ import annotations

import pathlib
import re

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_example_learns_from_an_array_of_images(tmp_path, monkeypatch):
    """On 120 digits in the place of the reader's photos.npy."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    code = "\n".join(blocks)  # The later ones go on from the first.
    digits = load_digits()
    images = digits.images[:120, ..., None] / 16 * 255
    images = np.repeat(images.astype(np.uint8), 3, axis=-1)
    np.save(tmp_path / "photos.npy", images)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, str(README), "exec"), names)

    embeddings = names["embeddings"]
    assert embeddings.shape == (120, 128)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -1)
    same = digits.target[:120][similarity.argmax(1)] == digits.target[:120]
    assert same.mean() > 0.5  # A tenth by chance.
    plain = keras.models.load_model("encoder.keras")
    found = plain.predict(images, verbose=0)
    np.testing.assert_allclose(found, embeddings, atol=1e-5)


@pytest.mark.parametrize(
    "path", re.findall(r"configs/\w+\.flags", README.read_text())
)
def test_named_configs_exist(path):
    assert (README.parent / path).is_file()
