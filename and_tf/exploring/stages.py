"""Keeps the results of long comparisons, so that none is done twice.

Each stage has one file, with a hash of all that its result depends on. So an
exploration that was interrupted goes on with the stage where it was, and one of
the same images with other labels or names compares nothing again.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from and_tf.training.teacher_files import digest
from and_tf.utils import archives, atomic_files

_REMEDY = (
    "Make room or change --output, then run the same command again; what was "
    "measured before stays."
)
_MARK, _VALUES = "mark", "values_{}"


class Stages:
    """The results that a directory keeps.

    Args:
        directory: The directory, which need not exist; None keeps nothing.
    """

    def __init__(self, directory: pathlib.Path | None = None) -> None:
        self._directory = directory

    def get(
        self,
        name: str,
        inputs: Sequence[np.ndarray | str | float | None],
        forms: Sequence[archives.Expected],
        compute: Callable[[], Sequence[np.ndarray]],
    ) -> tuple[np.ndarray, ...]:
        """Returns the arrays of a stage; computes them only if need be.

        Args:
            name: The name of the stage, that of its file.
            inputs: All that the arrays depend on.
            forms: The kind and the number of dimensions of each array.
            compute: A function that returns the arrays.

        Raises:
            InputError: If the file cannot be written.
        """
        if self._directory is None:
            return tuple(compute())
        path = self._directory / f"{name}.npz"
        mark = digest(*map(_hashable, inputs))
        names = [_VALUES.format(number) for number in range(len(forms))]
        expected = {_MARK: ("U", 0), **dict(zip(names, forms, strict=True))}
        try:
            kept, *arrays = archives.read(path, expected)
            if str(kept) == mark:
                return tuple(arrays)
        except archives.DAMAGE:
            pass  # There is none, or it is damaged: the stage comes anew.
        found = tuple(compute())
        contents: dict[str, Any] = dict(zip(names, found, strict=True))
        contents[_MARK] = np.array(mark)
        atomic_files.write(
            path, lambda file: np.savez(file, **contents), _REMEDY
        )
        return found

    def forget(self, pattern: str) -> None:
        """Removes stages whose results went into another one.

        Args:
            pattern: Their names, with wildcards as `pathlib.Path.glob` has.
        """
        if self._directory is not None:
            for path in self._directory.glob(f"{pattern}.npz"):
                with contextlib.suppress(OSError):
                    path.unlink()


def _hashable(value: np.ndarray | str | float | None) -> np.ndarray:
    """Returns an array of one number at least, as `digest` wants it."""
    if isinstance(value, np.ndarray) and value.size:
        return value
    text = repr(value.shape if isinstance(value, np.ndarray) else value)
    return np.frombuffer(text.encode(), np.uint8)
