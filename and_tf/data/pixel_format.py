"""Says which channels images have, and what their values mean.

Everywhere behind a decoder, an image is uint8 `[H, W, C]`. Files of 8 bits are
that already. Those of 16 bits or of floats have their values mapped to these
levels: each channel from a lowest to a highest value, which a user states or
which are measured once, on training images. The range is a part of the
encoder's description, so that evaluation and every export map the same values
to the same levels.

Images are not kept in 16 bits or floats, since that would be a second pipeline
beside this one: other caches, views, quantised files and pictures, and two or
four times the memory. What is lost: values outside of the range become its
ends, and values that differ by less than 1/255 of it may become equal. With
the range that is measured, this is 1 % of the values at most, and a step that
is small beside what views do to brightness. Where a small part of the range
matters, as a window of an X-ray, `--pixel_range` states that part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from and_tf.data.walking import Refused, Skipped
from and_tf.utils.errors import InputError
from and_tf.utils.pixel_ranges import AUTO, parse

MEASURED_IMAGES = 256
_MEASURED_PIXELS = 4096  # Of an image.
_PERCENTILES = (0.5, 99.5)
_CHANNELS, _RANGE = "--channels", "--pixel_range"


@dataclasses.dataclass(frozen=True)
class PixelFormat:
    """The channels of images, and the values that stand for 0 and 255.

    Attributes:
        channels: C. 3 is RGB; 1 is grey; 4 is RGB on white with the opacity
            behind it, or four bands of a TIFF; others are bands of a TIFF.
        low: The value of each channel that becomes 0. Empty if the files'
            values are levels already.
        high: The value of each channel that becomes 255.
    """

    channels: int = 3
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def usual(self) -> bool:
        """Returns whether it is RGB of 8 bits."""
        return self == RGB

    @property
    def ranged(self) -> bool:
        """Returns whether the files' values are mapped to levels."""
        return bool(self.low)

    @property
    def no_image(self) -> np.ndarray:
        """An image of no pixels, which stands for one that cannot be read."""
        return np.zeros((0, 0, self.channels), np.uint8)

    @property
    def cache_key(self) -> tuple[Any, ...]:
        """Returns what names of cached images need of it; () if usual."""
        return () if self.usual else (self,)

    @property
    def description(self) -> dict[str, Any]:
        """The arguments of `encoders.build` for it; none if it is usual."""
        described: dict[str, Any] = {}
        if self.channels != 3:
            described["channels"] = self.channels
        if self.ranged:
            described["pixel_range"] = [list(self.low), list(self.high)]
        return described

    @classmethod
    def of(cls, description: dict[str, Any]) -> PixelFormat:
        """Returns the format in a description of an encoder."""
        low, high = description.get("pixel_range") or ((), ())
        return cls(description.get("channels", 3), tuple(low), tuple(high))

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Maps a file's values to levels.

        Args:
            values: `[…, C]`, of any type of numbers. NaN, as of pixels
                without data, becomes 0.

        Returns:
            uint8 `[…, C]`.

        Raises:
            Refused: If the values have more than 8 bits and no range is known.
        """
        if not self.ranged:
            if values.dtype != np.uint8:
                raise Refused(without_range(values.dtype))
            return values
        low, scale = self.mapping
        found = np.subtract(values, low, dtype=np.float32) * scale
        found = np.nan_to_num(found, nan=0.0, posinf=255.0, neginf=0.0)
        return np.rint(np.clip(found, 0.0, 255.0)).astype(np.uint8)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Returns the values that are mapped to levels.

        Args:
            levels: uint8 `[…, C]`.

        Returns:
            float32 `[…, C]`, of which `levels` gives the levels again; the
            levels themselves if the files' values are levels.
        """
        if not self.ranged:
            return levels
        low, scale = self.mapping
        return levels.astype(np.float32) / scale + low

    @property
    def mapping(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest value and the levels per unit, float32 `[C]` each."""
        low = np.array(self.low, np.float32)
        return low, 255 / (np.array(self.high, np.float32) - low)


RGB = PixelFormat()


def provisional(channels: int, pixel_range: str) -> PixelFormat:
    """Returns the format with which images are found, see `resolve`.

    Its range is not measured yet, and says only that there will be one.
    """
    given = parse(pixel_range)
    if isinstance(given, tuple):
        low, high = given
        return PixelFormat(channels, (low,) * channels, (high,) * channels)
    if given == AUTO:
        return PixelFormat(channels, (0.0,) * channels, (1.0,) * channels)
    return PixelFormat(channels)


def resolve(
    channels: int,
    pixel_range: str,
    count: int,
    values_of: Callable[[int], np.ndarray | None] | None,
) -> PixelFormat:
    """Finds the format of a data set's images.

    Args:
        channels: C.
        pixel_range: The range that a user states, see `pixel_ranges.parse`. ""
            measures one if a file has more than 8 bits, unless the images are
            RGB: those are read as they always were.
        count: N, the number of training images.
        values_of: A function from a number 0..N-1 to the values in that
            image's file, `[H, W, C]`; None if it cannot be read. None is for
            data sets whose images have 8 bits.

    Raises:
        InputError: If the range is asked for and cannot be measured.
    """
    given = parse(pixel_range)
    if values_of is None and given:
        raise InputError(
            "Expected no --pixel_range with images of 8 bits, whose values are "
            f"0..255. Received: {pixel_range}. Leave it out."
        )
    if isinstance(given, tuple):
        return provisional(channels, pixel_range)
    if values_of is None or (channels == 3 and given != AUTO):
        return PixelFormat(channels)
    step = -(-count // MEASURED_IMAGES)
    found = [values_of(number) for number in range(0, count, step)]
    images = [image for image in found if image is not None]
    if given != AUTO and all(image.dtype == np.uint8 for image in images):
        return PixelFormat(channels)
    return _measured(channels, images)


def _measured(channels: int, images: Iterable[np.ndarray]) -> PixelFormat:
    """Measures each channel's range on some pixels of images.

    Raises:
        InputError: If there are no pixels with data.
    """
    samples = []
    for image in images:
        pixels = image.reshape(-1, channels)
        step = -(-len(pixels) // _MEASURED_PIXELS)
        samples.append(pixels[::step].astype(np.float64))
    columns: Sequence[np.ndarray] = ()
    if samples:
        columns = [c[np.isfinite(c)] for c in np.concatenate(samples).T]
    if not all(map(len, columns)) or not columns:
        raise InputError(
            "Expected training images with values to measure --pixel_range "
            f"on. Received none that can be read with --channels={channels}. "
            "Give it as --pixel_range=LOW,HIGH, or other --channels."
        )
    ends = np.array([np.percentile(c, _PERCENTILES) for c in columns])
    ends = ends.astype(np.float32).astype(np.float64)
    low, high = ends.T
    # A channel of one value has no range: it becomes black.
    high = np.where(high > low, high, low + np.maximum(1.0, np.abs(low)))
    return PixelFormat(channels, tuple(low.tolist()), tuple(high.tolist()))


def fitting(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Gives pixels of an array C channels.

    Args:
        pixels: `[H, W]` or `[H, W, c]`.
        channels: C.

    Returns:
        `[H, W, C]`: grey three times for RGB; the luma of RGB for grey.

    Raises:
        Refused: If the array has another number of channels.
    """
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    found = pixels.shape[2]
    if found == channels:
        return np.ascontiguousarray(pixels)
    if (found, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=2)
    if (found, channels) == (3, 1) and pixels.dtype == np.uint8:
        weights = np.array([19595, 38470, 7471], np.uint32)  # As Pillow does.
        grey = (pixels.astype(np.uint32) @ weights + 2**15) >> 16
        return grey.astype(np.uint8)[:, :, None]
    raise Refused(other_bands(found, channels))


def without_range(dtype: np.dtype | str) -> str:
    """Returns a reason for `Skipped` for a file whose values are no levels."""
    return f"of {dtype} values without a {_RANGE}"


def other_bands(found: int, channels: int) -> str:
    """Returns a reason for `Skipped` for a file of other channels."""
    bands = "band" if found == 1 else "bands"
    return f"of {found} {bands}, where {_CHANNELS}={channels} was expected"


def advice(skipped: Iterable[Skipped]) -> str:
    """Returns what to do where no image is of the channels or values asked.

    Args:
        skipped: The images that were left out.

    Returns:
        Sentences with a space before each; "" if they are broken otherwise.
    """
    told = {one.reason for one in skipped}
    sentences = {
        _CHANNELS: f" Give {_CHANNELS} as many as the images have.",
        _RANGE: f" Give {_RANGE}=LOW,HIGH, or auto to measure it.",
    }
    return "".join(
        sentence
        for flag, sentence in sentences.items()
        if any(flag in reason for reason in told)
    )
