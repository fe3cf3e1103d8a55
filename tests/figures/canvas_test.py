"""Figures measured in pixels."""

import dataclasses
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
    canvas.write(figure, 60, 70, canvas.Text(r"$H \frac$ 猫", 12), room=100)

    rows, columns = np.nonzero((canvas.pixels(figure) < 128).any(-1))

    assert 60 <= columns.min() < 70
    assert 50 < rows.min() < rows.max() < 76
    assert not recwarn.list


def test_text_is_shortened_to_its_room_at_either_end() -> None:
    name = canvas.Text("folder/" * 9 + "!!!!")
    inks = []
    for text in (name, dataclasses.replace(name, keep_end=True)):
        figure = canvas.new_figure(300, 40)
        canvas.write(figure, 20, 30, text, room=80)
        inks.append((canvas.pixels(figure) < 128).any(-1))
        assert np.nonzero(inks[-1].any(0))[0].max() <= 20 + 80

    assert (inks[0] != inks[1]).any()


def test_text_ends_where_it_is_put_if_so_asked() -> None:
    figure = canvas.new_figure(200, 40)
    canvas.write(figure, 150, 30, canvas.Text("end", align="right"))

    columns = np.nonzero((canvas.pixels(figure) < 128).any((0, 2)))[0]
    assert 145 <= columns.max() <= 150


def test_axes_stand_where_they_are_put() -> None:
    figure = canvas.new_figure(200, 100)
    axes = canvas.add_axes(figure, left=30, top=20, width=90, height=40)
    axes.set(facecolor=canvas.BLUE, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)

    blue = (canvas.pixels(figure) == canvas.rgb(canvas.BLUE)).all(-1)
    ys, xs = np.nonzero(blue)
    box = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    np.testing.assert_allclose(box, (30, 20, 120, 60), atol=1)


def test_rgb_reads_colours() -> None:
    assert canvas.rgb("#0072b2") == (0, 114, 178)


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
