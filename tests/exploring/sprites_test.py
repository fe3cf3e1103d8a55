"""Sheets of thumbnails, whose tiles are looked at one by one."""

from __future__ import annotations

import numpy as np
from PIL import Image

from and_tf.exploring import measures, sprites


def test_each_tile_is_its_thumbnail(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (1030, 3), np.uint8)
    thumbnails = [
        measures.thumbnail(Image.new("RGB", (8, 8), tuple(colour)))
        for colour in colours.tolist()
    ]
    layout = sprites.write(thumbnails, tmp_path / "page")
    assert (layout.total, len(layout.files)) == (1030, 2)
    sheets = [
        np.asarray(Image.open(tmp_path / "page" / name))
        for name in layout.files
    ]
    assert sheets[0].shape == (2048, 2048, 3)
    assert sheets[1].shape == (64, 2048, 3)
    for number, colour in enumerate(colours.astype(int)):
        sheet, place = divmod(number, layout.columns * layout.rows)
        row, column = divmod(place, layout.columns)
        y, x = row * layout.tile + 32, column * layout.tile + 32
        np.testing.assert_allclose(sheets[sheet][y, x], colour, atol=12)
    fewer = sprites.write(thumbnails[:3], tmp_path / "page")
    assert fewer.files == layout.files[:1]
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == [
        *fewer.files
    ]


def test_no_thumbnails_make_no_sheet(tmp_path):
    assert sprites.write([], tmp_path).files == ()
