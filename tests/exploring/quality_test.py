"""Issues of images in sets of good, of night and of mixed photographs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from and_tf.exploring import measures, quality
from tests.exploring import photographs


class _Rows(SimpleNamespace):
    """The part of `Measured` that issues are found by."""

    def __len__(self) -> int:
        return len(self.width)


def _issues(images: list[Image.Image], truncated: int = -1) -> list[list[str]]:
    found = [
        measures.measure(measures.shrunk(np.asarray(image))) for image in images
    ]
    width, height = np.array([image.size for image in images]).T
    columns = zip(measures.Measures._fields, np.array(found).T, strict=True)
    return quality.issues(
        _Rows(
            width=width,
            height=height,
            aspect=width / height,
            truncated=np.arange(len(images)) == truncated,
            **dict(columns),
        )
    )


def _darker(image: Image.Image, share: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(share)


@pytest.fixture(scope="module")
def good() -> list[Image.Image]:
    return photographs.tiles()


def test_good_photographs_have_no_issues(good):
    assert not any(_issues(good))


def test_faults_among_good_photographs_are_named(good):
    odd = [
        _darker(good[0], 0.05),
        good[1].point(lambda value: 245 + value // 26),
        good[9].filter(ImageFilter.GaussianBlur(6)),
        Image.new("RGB", (160, 160), (9, 9, 9)),
        good[3].resize((160, 48)),
        good[4].resize((16, 16)),
    ]
    found = _issues(good + odd, truncated=2)
    assert found[2] == ["truncated"] and not any(found[3 : len(good)])
    expected = ["dark", "bright", "blurred", "blank", "odd_aspect", "odd_size"]
    for issues, name in zip(found[len(good) :], expected, strict=True):
        assert name in issues
    assert found[len(good) + 3] == ["blank"]


def test_a_set_of_night_photographs_is_not_dark(good):
    assert not any("dark" in each for each in _issues([
        _darker(image, 0.12) for image in good
    ]))  # fmt: skip


def test_a_set_of_product_photographs_is_not_bright(good):
    images = []
    for image in good:
        page = Image.new("RGB", (480, 480), "white")
        page.paste(image, (160, 160))
        images.append(page)
    assert not any(_issues(images))


def test_black_images_are_a_fault_even_if_all_are(good):
    assert _issues([Image.new("RGB", (9, 9))] * 5) == [["blank"]] * 5


def test_one_image_and_none():
    assert _issues([photographs.tiles()[0]]) == [[]]
    assert quality.issues(
        _Rows(
            **dict.fromkeys(
                (*measures.Measures._fields, "width", "height", "aspect"),
                np.zeros(0),
            ),
            truncated=np.zeros(0, bool),
        )
    ) == []  # fmt: skip
