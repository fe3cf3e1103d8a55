"""Tries files of arrays: neighbourhoods, mined neighbours, samples, parts."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from and_tf.evaluation import cluster_metrics
from and_tf.evaluation.neighbourhoods import (
    agreement,
    anchors_kept,
    neighbours_kept,
)
from and_tf.protocols import neighbourhoods
from and_tf.scan import mining, unsupervised_metrics
from and_tf.training.run_directory import RunDirectory
from export.embeddings.resumable_parts import Parts
from tests.fuzz.arrays import ARRAYS, Drawn
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

N, K, D = 6, 2, 3
_NUMBERS = np.arange(N * K, dtype=np.int32).reshape(N, K) % N
_FLOATS = np.linspace(0, 1, N * D, dtype=np.float32).reshape(N, D)
FILES = {
    "neighbourhoods/round_1.npz": {
        "entropy": _FLOATS[:, 0],
        "neighbours": _NUMBERS,
        "selected": np.arange(N) % 2 == 0,
    },
    "neighbours.npz": {"train": _NUMBERS, "evaluation": _NUMBERS},
    "sample.npz": {"places": np.arange(N), "features": _FLOATS},
    "part-000000.npz": {
        "embeddings": _FLOATS,
        "readable": np.ones(N, bool),
        "seconds": np.array(1.5),
    },
}


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads a file and uses its arrays."""
    (directory / "neighbourhoods").mkdir()
    files = {name: _content(arrays) for name, arrays in FILES.items()}
    other = st.sampled_from(sorted(FILES)).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.dictionaries(
                st.sampled_from(sorted(FILES[name])), ARRAYS, max_size=2
            ),
        )
    )

    def check(value: Damaged | tuple[str, dict[str, Drawn]]) -> None:
        if isinstance(value, Damaged):
            name, content = value.name, value.content(files)
        else:
            name, changed = value
            arrays = {key: one.array for key, one in changed.items()}
            content = _content({**FILES[name], **arrays})
        (directory / name).write_bytes(content)
        answer(lambda: _USERS[name](directory))

    return Target(st.one_of(damaged(files), other), check)


def _content(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _use_rounds(directory: pathlib.Path) -> None:
    labels = np.arange(N) % 3
    for found in neighbourhoods.read_rounds(RunDirectory(directory), N):
        agreement(found, labels)
        anchors_kept(found.is_anchor, found.is_anchor)
        neighbours_kept(found.neighbours, found.neighbours)


def _use_mined(directory: pathlib.Path) -> None:
    mined = mining.read(directory / "neighbours.npz", N, N)
    mining.without_false(mined.train, np.arange(N) % 3)


def _use_sample(directory: pathlib.Path) -> None:
    sample = unsupervised_metrics.read(directory / "sample.npz", N)
    if sample is not None:
        cluster_metrics.silhouette(sample.features, sample.places % 2, "cosine")


def _use_part(directory: pathlib.Path) -> None:
    part = Parts(directory, D).read(0)
    assert part.embeddings.dtype == np.float32, part.embeddings.dtype
    assert part.readable.dtype == bool, part.readable.dtype


_USERS: dict[str, Callable[[pathlib.Path], Any]] = dict(
    zip(FILES, (_use_rounds, _use_mined, _use_sample, _use_part), strict=True)
)
