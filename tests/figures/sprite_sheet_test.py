"""Sprite sheets for the embedding projector."""

import numpy as np
import pytest

from and_tf.figures import sprite


def test_images_go_row_by_row() -> None:
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


def test_images_of_any_size_are_scaled() -> None:
    images = [
        np.full((3, 3, 3), 50, np.uint8),
        np.full((90, 40, 3), 99, np.uint8),
    ]
    sheet = sprite(images, side=6)
    np.testing.assert_array_equal(sheet[:, :6], 50)
    np.testing.assert_array_equal(sheet[:, 6:], 99)


@pytest.mark.parametrize("count", [0, 5])
def test_too_many_or_none_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 4 images.*Received: {count}"):
        sprite(np.zeros((count, 1, 1, 3), np.uint8), side=4096)
