"""Images fetched by number, cut, scaled and laid out on a sheet."""

import numpy as np
import pytest

from and_tf.figures import canvas
from and_tf.figures.tiles import class_name, sprite, take, tile, verdict


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def test_tile_of_its_own_size_is_the_image() -> None:
    image = noise(6, 6)
    np.testing.assert_array_equal(tile(image, 6), image)


def test_tile_repeats_pixels() -> None:
    image = noise(4, 4)
    np.testing.assert_array_equal(
        tile(image, 12), np.kron(image, np.ones((3, 3, 1), np.uint8))
    )


def test_tile_averages_down() -> None:
    image = noise(8, 8)
    means = image.reshape(2, 4, 2, 4, 3).mean((1, 3))
    np.testing.assert_allclose(tile(image, 2), means, atol=1)


@pytest.mark.parametrize("shape", [(10, 5), (5, 10), (5, 9)])
def test_tile_cuts_the_centre_square(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    top, left = (shape[0] - 5) // 2, (shape[1] - 5) // 2
    np.testing.assert_array_equal(
        tile(image, 5), image[top : top + 5, left : left + 5]
    )


def test_tile_of_a_size_that_does_not_divide_keeps_flat_colour() -> None:
    image = np.full((28, 28, 3), (10, 200, 30), np.uint8)
    np.testing.assert_array_equal(
        tile(image, 96), np.full((96, 96, 3), (10, 200, 30))
    )


def test_take_indexes_arrays_and_calls_functions() -> None:
    images = noise(5, 2, 2)
    numbers = np.array([3, 0])

    for source in (images, lambda those: [images[i] for i in those]):
        np.testing.assert_array_equal(take(source, numbers), images[[3, 0]])


def test_take_refuses_missing_images() -> None:
    with pytest.raises(ValueError, match="each of the 2 numbers.*Received: 1"):
        take(lambda numbers: noise(1, 2, 2), np.array([3, 0]))


def test_sprites_go_row_by_row() -> None:
    images = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)

    sheet = sprite(images, side=4)

    assert (sheet.shape, sheet.dtype) == ((8, 12, 3), np.uint8)
    np.testing.assert_array_equal(sheet[:4, 8:], images[2])
    np.testing.assert_array_equal(sheet[4:, 4:8], images[4])
    assert (sheet[4:, 8:] == 255).all()


@pytest.mark.parametrize(
    "count,rows,columns", [(1, 1, 1), (2, 1, 2), (9, 3, 3), (10, 3, 4)]
)
def test_the_sheet_is_nearly_square(
    count: int, rows: int, columns: int
) -> None:
    sheet = sprite(np.zeros((count, 8, 8, 3), np.uint8), side=2)
    assert sheet.shape == (2 * rows, 2 * columns, 3)


def test_sprites_of_any_size_are_scaled() -> None:
    images = [
        np.full((3, 3, 3), 50, np.uint8),
        np.full((90, 40, 3), 99, np.uint8),
    ]
    sheet = sprite(images, side=6)
    np.testing.assert_array_equal(sheet[:, :6], 50)
    np.testing.assert_array_equal(sheet[:, 6:], 99)


@pytest.mark.parametrize("count", [0, 5])
def test_too_many_sprites_or_none_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 4 images.*Received: {count}"):
        sprite(np.zeros((count, 1, 1, 3), np.uint8), side=4096)


def test_neighbours_are_compared_where_both_classes_are_known() -> None:
    labels, names = np.array([1, 1, 0, -1]), ["dog", "cat"]
    classes = [class_name(n, labels, names) for n in range(4)]
    assert classes == ["cat", "cat", "dog", ""]
    assert class_name(0, labels, None) == "1"
    assert class_name(0, None, names) == ""
    assert [verdict(classes[0], c) for c in classes[1:]] == [
        (canvas.GREEN, "✓ "), (canvas.VERMILION, "✗ "), (canvas.GREY, ""),
    ]  # fmt: skip
    assert verdict("", "") == (canvas.GREY, "")
