"""Images fetched by number, cut and scaled."""

import numpy as np
import pytest

from and_tf.figures.tiles import take, tile


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

    np.testing.assert_array_equal(take(images, numbers), images[[3, 0]])
    assert take(lambda n: [f"image {i}" for i in n], numbers) == [
        "image 3",
        "image 0",
    ]


def test_take_refuses_missing_images() -> None:
    with pytest.raises(ValueError, match="each of the 2 numbers.*Received: 1"):
        take(lambda numbers: noise(1, 2, 2), np.array([3, 0]))
