"""Calls a function of the user that returns readers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from and_tf.data.readers.reader import Reader
from and_tf.data.readers.splits import image_data
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.utils import user_functions
from and_tf.utils.errors import InputError

_READERS = "a Reader of and_tf.data, or a dict of splits and their readers"
# Such an error is a mistake in a reader's code, not a broken image.
_MISTAKES = (
    AttributeError, ImportError, NameError, NotImplementedError, TypeError,
)  # fmt: skip


def load(request: Request) -> ImageData:
    """Makes streamed splits of the readers that a function returns.

    The function is called with --data_dir, or None, and returns a `Reader` or
    a dict from the names of splits to readers.

    Raises:
        InputError: If there is no such function, or it fails or returns
            something else.
    """
    name = request.dataset
    function = user_functions.find(name, _READERS)
    try:
        found: Any = function(request.data_dir)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # The user's code runs.
        raise user_functions.failed(name, _READERS, error) from error
    if not isinstance(found, Mapping):
        found = {"": found}
    for split, reader in found.items():
        _check(name, split, reader)
    return image_data(
        request,
        {
            split: functools.partial(_itself, reader)
            for split, reader in found.items()
        },
    )


def _itself(reader: Reader) -> Reader:
    return reader


def _check(name: str, split: object, reader: object) -> None:
    """Checks that a split and its reader are what they should be.

    Raises:
        InputError: If they are not, or if the reader's code has a mistake.
    """
    if not isinstance(split, str) or not isinstance(reader, Reader):
        raise InputError(
            f"Expected {name} to return {_READERS}. Received: "
            f"{type(reader).__name__}"
            f"{f' for {split!r}' if split != '' else ''}."
        )
    if not all(isinstance(one, str) for one in reader.names):
        raise InputError(
            f"Expected the names of a reader of {name} to be texts. Received "
            "others."
        )
    if not len(reader.names):
        return
    try:
        image = reader.read(0)
    except _MISTAKES as error:
        raise user_functions.failed(f"{name} (read)", _READERS, error) from (
            error
        )
    except Exception:  # The image may be broken, as others may be.
        return
    if not (isinstance(image, (bytes, bytearray)) or hasattr(image, "dtype")):
        raise InputError(
            f"Expected the reader of {name} to return bytes or a uint8 array. "
            f"Received: {type(image).__name__}."
        )
