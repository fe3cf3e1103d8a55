"""A folder of image files, with or without a sub-folder for each class."""

from __future__ import annotations

import concurrent.futures
import os
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from and_tf.data import decoded
from and_tf.data.split import ImageData, Seed, Split, Stream, shuffled_numbers
from and_tf.errors import InputError

EXTENSIONS = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
)  # fmt: skip
# Whatever a file is called, no other decoder sees it: Pillow has many, and
# some start other programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
# A file of kilobytes can say that it is gigabytes. What has more pixels than
# the largest cameras give is taken as unreadable.
# Pillow's own limit is near, but is the process' to lift, and warns first.
MOST_PIXELS = 170_000_000
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
_TEST_NAMES = ("test", "val", "validation")
_ORIENTATION = 0x0112  # EXIF; from 5 on, the image lies on its side.


def read(
    data_dir: str | None, train_split: str = "", test_split: str = ""
) -> ImageData:
    """Makes streamed splits of a folder's images.

    Files whose header cannot be read are left out, and named in `skipped`.

    Args:
        data_dir: Holds the folders train and test (or val, or validation), or
            else the training images alone. In each, images lie in a
            sub-folder for each class, as deep as they like, or loosely.
        train_split: Another name for the folder train.
        test_split: Another name for the folder test.

    Raises:
        InputError: The folder is missing, or holds no readable image.
    """
    if not data_dir or not os.path.isdir(data_dir):
        raise InputError(
            "Expected --dataset=folder with --data_dir, a folder of images. "
            f"Received: --data_dir={data_dir or ''}, which is "
            f"{'no folder' if data_dir else 'none'}."
        )
    Image.init()  # Finds the decoders; in many threads at once it may not.
    roots = _split_folders(data_dir, train_split, test_split)
    files = [tuple(_image_files(os.path.join(data_dir, r))) for r in roots]
    classes = sorted({
        parts[0] for paths in files for parts in paths if len(parts) > 1
    })  # fmt: skip
    splits = [
        _split(data_dir, root, paths, classes)
        for root, paths in zip(roots, files)
    ]
    return ImageData("folder", splits[0], splits[1] if splits[1:] else None)


def read_all(root: str) -> Split:
    """Makes one streamed split of every image below a folder, unchecked.

    Unlike with `read`, no sub-folder stands for a split, and a file that
    cannot be read is found so only when it is decoded.

    Args:
        root: The folder; sub-folders directly below are classes.

    Raises:
        InputError: The folder is missing, or holds no file of an image.
    """
    if not os.path.isdir(root):
        raise InputError(f"Expected a folder of images. Received: {root!r}.")
    paths = tuple(_image_files(root))
    classes = sorted({parts[0] for parts in paths if len(parts) > 1})
    labels = _labels(paths, classes)
    names = [os.path.join(*parts) for parts in paths]
    readable = tuple(map(utf8, classes))
    return read_files(root, names, labels, readable, root=root)


def read_files(
    name: str,
    file_names: Sequence[str],
    labels: np.ndarray | None = None,
    class_names: tuple[str, ...] = (),
    *,
    root: str = "",
) -> Split:
    """Makes a streamed split of image files, unchecked.

    Args:
        name: The split's name.
        file_names: The files, in order of number.
        labels: int64 `[N]`, -1 where unlabelled, or None.
        class_names: Name of each label, as `utf8` has it.
        root: What the names are relative to; "" the working directory.

    Raises:
        InputError: There is none.
    """
    if not file_names:
        raise InputError(
            f"Expected images ({', '.join(EXTENSIONS)}) in {name}. "
            "Received: none."
        )
    Image.init()  # Finds the decoders; in many threads at once it may not.
    labelled = labels is not None and bool((labels >= 0).any())
    return Split(
        name=name,
        size=len(file_names),
        image_shape=None,
        stream=_stream([os.path.join(root, file) for file in file_names]),
        labels=labels if labelled else None,
        class_names=class_names if labelled else None,
        file_names=tuple(file_names),
    )


def utf8(name: str) -> str:
    """A file's name with escapes in the place of bytes that are no UTF-8.

    Such a name opens its file, but can be neither printed nor written.
    """
    return name.encode(errors="backslashreplace").decode()


def read_image(path: str | bytes) -> np.ndarray:
    """Decodes an image file to uint8 `[H, W, 3]`, upright.

    Of an animation it is the first frame. What is transparent shows white,
    as cut-outs and drawings are made to stand on a page; the colour that a
    file stores under it means nothing.

    Raises:
        OSError, ValueError and others: Pillow cannot read the file.
    """
    with _open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith(("I", "F")):
            return _from_deep_grey(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return np.asarray(image.convert("RGB"))


def _open(path: str | bytes) -> Image.Image:
    """Reads an image's header.

    Raises:
        OSError, ValueError and others: There is no image that we take.
    """
    file = Image.open(path, formats=_FORMATS)
    if file.width * file.height > MOST_PIXELS:
        file.close()
        raise ValueError(f"more than {MOST_PIXELS} pixels")
    return file


def _from_deep_grey(image: Image.Image) -> np.ndarray:
    """Grey of 16 bits to 8; Pillow itself would clip it at 255."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels of mode {image.mode} have no known range")
    grey = np.rint(values.astype(np.float32) / 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=-1)


def _split_folders(
    data_dir: str, train_split: str, test_split: str
) -> list[str]:
    """Chooses the folder of each split, relative to `data_dir`."""

    def exists(name: str) -> bool:
        return os.path.isdir(os.path.join(data_dir, name))

    for name in (train_split, test_split):
        if name and not exists(name):
            raise InputError(
                f"Expected the folder of a split in {data_dir}. Received: "
                f"{name!r}, which it does not hold."
            )
    if not train_split and not exists("train"):
        if test_split:
            raise InputError(
                f"Expected a folder train in {data_dir} beside {test_split}. "
                "Received none. Name it with --train_split."
            )
        return ["."]
    tests = (test_split,) if test_split else filter(exists, _TEST_NAMES)
    return [train_split or "train", *list(tests)[:1]]


def _image_files(root: str) -> Iterator[tuple[str, ...]]:
    """Gives the parts of each image's path below `root`, in sorted order.

    Links are followed, but no folder is entered twice.
    """
    entered = set()

    def visit(parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        folder = os.path.join(root, *parts)
        place = os.path.realpath(folder)
        if place in entered:
            return
        entered.add(place)
        try:
            with os.scandir(folder) as entries:
                found = sorted((e.name, e.is_dir()) for e in entries)
        except OSError as error:
            raise InputError(
                f"Expected a folder that can be read. Received: {folder}: "
                f"{error.strerror}."
            ) from error
        for name, is_dir in found:
            if name.startswith("."):
                continue
            if is_dir:
                yield from visit((*parts, name))
            elif name.lower().endswith(EXTENSIONS):
                yield (*parts, name)

    return visit(())


def _split(
    data_dir: str,
    root: str,
    paths: tuple[tuple[str, ...], ...],
    classes: list[str],
) -> Split:
    """Makes a split of the image files below `root`."""
    names = [os.path.normpath(os.path.join(root, *parts)) for parts in paths]
    files = [os.path.join(data_dir, name) for name in names]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        shapes = list(pool.map(_header_shape, files))
    good = [number for number, shape in enumerate(shapes) if shape]
    if not good:
        raise InputError(
            f"Expected images ({', '.join(EXTENSIONS)}) in "
            f"{os.path.join(data_dir, root)}. Received: "
            f"{len(files) or 'none'}{' that cannot be read' if files else ''}."
        )
    labels = _labels(paths, classes)[good]
    labelled = bool((labels >= 0).any())
    shared = {shapes[number] for number in good}
    return Split(
        name=f"folder/{'train' if root == '.' else root}",
        size=len(good),
        image_shape=shared.pop() if len(shared) == 1 else None,
        stream=_stream([files[number] for number in good]),
        labels=labels if labelled else None,
        class_names=tuple(map(utf8, classes)) if labelled else None,
        file_names=tuple(names[number] for number in good),
        skipped=tuple(utf8(n) for n, s in zip(names, shapes) if not s),
    )


def _labels(
    paths: Sequence[tuple[str, ...]], classes: Sequence[str]
) -> np.ndarray:
    """The place of each path's first folder, int64 `[N]`; -1 for no folder."""
    label_of = {name: label for label, name in enumerate(classes)}
    labels = [label_of[p[0]] if len(p) > 1 else -1 for p in paths]
    return np.array(labels, np.int64)


def _header_shape(path: str) -> tuple[int, int] | None:
    """Reads (H, W) of an upright image; None where there is no image."""
    try:
        with _open(path) as image:
            width, height = image.size
            # Pillow turns a TIFF's size itself. Of a PNG whose header has no
            # EXIF, asking for it would decode the image.
            asked = image.format not in ("TIFF", "PNG") or "exif" in image.info
            if asked and image.getexif().get(_ORIENTATION, 1) >= 5:
                return width, height
            return height, width
    except Exception:  # Pillow answers broken files with many kinds.
        return None


def _stream(files: list[str]) -> Stream:
    """Streams image files; their paths are what is shuffled."""
    table = np.array([os.fsencode(file) for file in files])

    def encoded(seed: Seed) -> tf.data.Dataset:
        return shuffled_numbers(len(files), seed).map(
            lambda number: (tf.gather(table, number), number)
        )

    def decode(path: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(_read_or_none, [path], tf.uint8)
        return tf.ensure_shape(image, (None, None, 3))

    def identity() -> str | None:
        return decoded.identity(table.tolist())

    return Stream(encoded, decode, identity=identity)


def _read_or_none(path: bytes) -> np.ndarray:
    """Decodes an image file; an image of no pixels where that fails."""
    try:
        return read_image(path)
    except Exception:  # Pillow answers broken files with many kinds.
        return np.zeros((0, 0, 3), np.uint8)
