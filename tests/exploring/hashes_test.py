"""Hashes of images and the search among them, against all pairs by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from and_tf.exploring import hashes
from tests.exploring import photographs


@pytest.fixture(scope="module")
def greys() -> np.ndarray:
    """16 photographs in 64×64 grey pixels."""
    return np.stack([
        np.asarray(tile.convert("L").resize((64, 64)))
        for tile in photographs.tiles()
    ])  # fmt: skip


def test_orientations_are_those_of_pillow(greys):
    image = Image.fromarray(greys[0])
    for number, turn in {
        1: Image.Transpose.FLIP_LEFT_RIGHT,
        2: Image.Transpose.FLIP_TOP_BOTTOM,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.TRANSPOSE,
        5: Image.Transpose.ROTATE_270,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
    }.items():
        expected = np.asarray(image.transpose(turn))
        np.testing.assert_array_equal(hashes.turned(greys[0], number), expected)


def test_an_image_has_the_same_hash_alone_as_among_others(greys):
    alone = [hashes.hashes(grey[None]) for grey in greys]
    np.testing.assert_array_equal(np.concatenate(alone), hashes.hashes(greys))


@pytest.mark.parametrize("most", [20, 110])
def test_search_finds_what_a_comparison_of_all_pairs_finds(
    greys, most, monkeypatch
):
    turned = [
        hashes.turned(grey, number % 8) for number, grey in enumerate(greys)
    ]
    signs = hashes.hashes(np.concatenate([greys, turned]))
    every = np.stack([
        hashes.hashes(hashes.turned(np.concatenate([greys, turned]), number))
        for number in range(8)
    ]).reshape(8, 32, -1).astype(int)  # fmt: skip
    distance = (255 - every @ signs.reshape(32, -1).T.astype(int)) // 2
    expected = {
        (i, j): distance[:, i, j].min()
        for i in range(32)
        for j in range(i + 1, 32)
        if distance[:, i, j].min() <= most
    }
    # Blocks that end in the middle.
    monkeypatch.setattr(hashes, "_ROWS", 5)
    monkeypatch.setattr(hashes, "_COLUMNS", 7)
    found = {}
    for block in hashes.similar(signs, most):
        for i, j, number, bits in zip(
            *(x.tolist() for x in block), strict=True
        ):
            assert (i, j) not in found and distance[number, i, j] == bits
            found[i, j] = bits
    assert found == expected
    assert len(found) == 16 if most == 20 else len(found) > 60


def test_different_photographs_differ_in_many_bits(greys):
    assert not list(hashes.similar(hashes.hashes(greys), 72))


def test_images_without_details_have_no_hash():
    plain = np.stack([np.full((64, 64), level) for level in (0, 9, 255)])
    assert not list(hashes.similar(hashes.hashes(plain), 100))


def test_rows_that_are_no_longer_wanted_get_no_further_pairs(monkeypatch):
    """Of 40 equal images each wants two; of all pairs there are 780."""
    monkeypatch.setattr(hashes, "_ROWS", 4)
    monkeypatch.setattr(hashes, "_COLUMNS", 8)
    monkeypatch.setattr(hashes, "_NAMED", 8)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64), np.uint8)
    signs = hashes.hashes(np.stack([image] * 40))
    wanted, pairs, progress = np.ones(40, bool), [], []
    for found in hashes.similar(signs, 10, wanted, progress.append):
        assert wanted[found.second].all()
        pairs += zip(found.first.tolist(), found.second.tolist(), strict=True)
        counts = np.bincount([second for _, second in pairs], minlength=40)
        wanted &= counts < 2
    assert len(pairs) < 160 and {(0, row) for row in range(1, 40)} <= {*pairs}
    assert sum(progress) == 40
