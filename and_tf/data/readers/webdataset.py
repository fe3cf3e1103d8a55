"""Reads shards of WebDataset: .tar files of samples.

The members of one sample have the same path up to the first dot of its last
part: 0001.jpg, 0001.cls, 0001.json. They stand side by side.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from and_tf.data import decode_cache, image_endings
from and_tf.data.readers import manifest, opening, shards, tar_index
from and_tf.data.readers.keeping import kept
from and_tf.data.readers.reader import Reader
from and_tf.data.readers.splits import image_data
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.data.walking import Skipped
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

_KEY = re.compile(r"((?:.*/|)[^./]+)\.([^/]*)")
_LONGEST = 2**20  # Bytes of a member with labels.
# Where labels are looked for, by the members' endings, in this order.
_LABELS = ("cls", "cls.txt", "json", "txt")
_LONGEST_LABEL = 100  # Characters; a longer text is a caption.
_SHARDS_SHOWN = 10  # From this number on, progress is shown.
_NO_IMAGE = "without an image"


class Sample(msgspec.Struct, array_like=True):
    """A sample of a shard.

    Attributes:
        key: Its key.
        offset: The position of its image in the shard.
        size: The bytes of its image; -1 if it has none.
        label: Its label as it is stored; None if it has none.
        source: The ending of the member that the label is from.
    """

    key: str
    offset: int
    size: int
    label: int | float | str | None = None
    source: str = ""


class _Reader(Reader):
    """A reader of the samples of some shards."""

    def __init__(self, files: shards.Shards, split: str, request: Request):
        self._paths = files[split]
        self._what = ("webdataset", 1, request.label_key, request.image_key)
        samples = list(self._samples(request))
        # A shard's name makes keys unique, which often begin anew in each.
        named = [
            (f"{name}/{sample.key}", shard, sample)
            for shard, name in enumerate(files.names(split))
            for sample in samples[shard]
        ]
        self.skipped = tuple(
            Skipped(name, _NO_IMAGE) for name, _, s in named if s.size < 0
        )
        good = [one for one in named if one[2].size >= 0]
        self.names = [name for name, _, _ in good]
        self._places = np.array(
            [(shard, s.offset, s.size) for _, shard, s in good], np.int64
        ).reshape(-1, 3)
        self.labels = _labels([s for _, _, s in good], request)

    def read(self, number: int) -> bytes:
        shard, offset, size = self._places[number].tolist()
        return opening.read_part(self._paths[shard], offset, size)

    def identity(self) -> str | None:
        paths = (path.encode(errors="surrogateescape") for path in self._paths)
        return decode_cache.identity(paths, *self._what)

    def _samples(self, request: Request) -> Iterator[list[Sample]]:
        """Yields the samples of each shard, from the cache if possible."""
        with Counted("index shards", len(self._paths)) as progress:
            for path in self._paths:
                compute = functools.partial(index, path, request)
                yield kept([path], self._what, list[Sample], compute)
                if len(self._paths) >= _SHARDS_SHOWN:
                    progress.advance(1)


def load(request: Request) -> ImageData:
    """Makes streamed splits of shards, which are indexed once.

    Raises:
        InputError: If there is no shard, or one is damaged, compressed or
            without images.
    """
    found = shards.find(request, (".tar",))
    readers = {
        name: functools.partial(_Reader, found, name, request) for name in found
    }
    return image_data(request, readers)


def index(path: str, request: Request) -> list[Sample]:
    """Finds the samples of a shard.

    Args:
        path: The shard.
        request: Its `image_key` is the ending of images, "" for all that are
            read here; its `label_key` is the ending of labels or a key of
            .json members, "" for the usual ones.

    Raises:
        InputError: If the shard is damaged, or a label cannot be read.
    """
    samples: list[Sample] = []
    current: dict[str, tar_index.Member] = {}
    key = ""

    def end() -> None:
        if current:
            samples.append(_sample(path, key, current, request))

    for member in tar_index.read(path):
        found = _KEY.fullmatch(member.name)
        if member.why_not or not found:
            continue
        ending = found[2].lower()
        if found[1] != key or ending in current:
            end()
            key, current = found[1], {}
        current[ending] = member
    end()
    return samples


def _sample(
    path: str,
    key: str,
    members: dict[str, tar_index.Member],
    request: Request,
) -> Sample:
    """Makes a sample of its members."""
    wanted = request.image_key.lower().lstrip(".")
    images = [
        member
        for ending, member in members.items()
        if ending == wanted
        or (not wanted and image_endings.is_readable(member.name))
    ]
    place = (images[0].offset, images[0].size) if images else (0, -1)
    usual = (
        (request.label_key.lower(), "json") if request.label_key else _LABELS
    )
    for ending in usual:
        member = members.get(ending)
        if member is None or member.size > _LONGEST:
            continue
        content = opening.read_part(path, member.offset, member.size)
        label = _label(content, ending, request.label_key)
        if label is not None:
            return Sample(key, *place, label, ending)
    return Sample(key, *place)


def _label(content: bytes, ending: str, key: str) -> int | float | str | None:
    """Reads a label; None if there is none."""
    if not ending.endswith("json"):
        text = content.decode("utf-8", "backslashreplace").strip()
        return text[: _LONGEST_LABEL + 1] or None
    try:
        values = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if isinstance(values, dict):
        key = key or manifest.find([str(k) for k in values], manifest.LABELS)
        values = values.get(key)
    return values if isinstance(values, (int, float, str)) else None


def _labels(samples: Sequence[Sample], request: Request) -> list[Any] | None:
    """Returns the label of each sample; None if none has one.

    Raises:
        InputError: If those that are asked for are not there.
    """
    found = [sample for sample in samples if sample.label is not None]
    if request.label_key and samples and not found:
        raise InputError(
            "Expected --label_key to be the ending of members, such as cls, or "
            f"a key of .json members of {request.data_dir}. Received: "
            f"{request.label_key!r}, which none has."
        )
    if not found:
        return None
    if not request.label_key and _are_captions(found):
        return None
    return [sample.label for sample in samples]


def _are_captions(samples: Sequence[Sample]) -> bool:
    """Returns whether the texts of .txt members describe images.

    Unlike classes, such texts are long, or hardly any is there twice.
    """
    if any(sample.source != "txt" for sample in samples):
        return False
    texts = [str(sample.label) for sample in samples]
    if any(len(t) > _LONGEST_LABEL or "\n" in t for t in texts):
        return True
    return len(set(texts)) > len(texts) / 2
