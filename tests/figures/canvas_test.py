"""Figures measured in pixels."""

import io

import matplotlib.pyplot
import numpy as np
import pytest
from PIL import Image

from and_tf.figures import canvas


@pytest.mark.parametrize("width,height", [(100, 60), (113, 201), (427, 115)])
def test_a_figure_has_the_pixels_asked_for(width: int, height: int) -> None:
    drawn = canvas.pixels(canvas.new_figure(width, height))

    np.testing.assert_array_equal(
        drawn, np.full((height, width, 3), 255, np.uint8)
    )


def test_a_figure_leaves_no_global_state() -> None:
    canvas.pixels(canvas.new_figure(50, 50))

    assert matplotlib.pyplot.get_fignums() == []


def test_text_stands_where_it_is_put_and_is_no_formula(
    recwarn: pytest.WarningsRecorder,
) -> None:
    figure = canvas.new_figure(200, 100)
    canvas.write(figure, 60, 70, r"$H \frac$ 猫", size=12, room=100)

    rows, columns = np.nonzero((canvas.pixels(figure) < 128).any(-1))

    assert 60 <= columns.min() < 70
    assert 50 < rows.min() < rows.max() < 76
    assert not recwarn.list


def test_css_names_colours() -> None:
    assert canvas.css((0, 114, 178)) == "#0072b2"


def test_png_keeps_every_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

    with Image.open(io.BytesIO(canvas.encode_png(image))) as file:
        assert (file.format, file.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(file), image)


def test_save_makes_the_folder(tmp_path) -> None:
    path = tmp_path / "a" / "b.png"
    canvas.save_png(np.zeros((2, 3, 3), np.uint8), path)

    with Image.open(path) as file:
        assert file.size == (3, 2)
