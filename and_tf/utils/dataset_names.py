"""Reads the text that names a data set, such as `manifest` or `cifar10`.

No heavy package is imported, so that flags are checked before TensorFlow
starts. The module of a kind, which `and_tf.data` imports when the kind is
asked for, finds out whether the data are there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from and_tf.utils.errors import InputError

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_SPLITS = frozenset({"train_split", "test_split"})
_KEYS = frozenset({"label_key", "image_key"})
_READERS = "and_tf.data.readers"


class Kind(NamedTuple):
    """A kind of data sets.

    Attributes:
        module: The module whose function `load` takes a `data.Request` and
            returns an `ImageData`.
        data_dir: What --data_dir has to name; "" if the kind needs none.
        flags: The other flags of data that the kind reads.
        hint: Why it does not read the others, as the end of a clause.
    """

    module: str
    data_dir: str = ""
    flags: frozenset[str] = _SPLITS | _KEYS
    hint: str = ""


KINDS = {
    "folder": Kind(
        "and_tf.data.folder",
        "a directory of images",
        _SPLITS,
        ", as sub-folders are its labels and splits",
    ),
    "digits": Kind("and_tf.data.digits", flags=frozenset()),
    "manifest": Kind(
        f"{_READERS}.manifest",
        "a .csv, .tsv, .jsonl or .parquet file with a column of paths",
        _SPLITS | _KEYS | {"split_key"},
    ),
    "huggingface": Kind(
        f"{_READERS}.huggingface",
        "a directory that `datasets` has saved, or one of Parquet files",
    ),
    "tfrecord": Kind(
        f"{_READERS}.records", "TFRecord files: a file, directory or pattern"
    ),
    "array_record": Kind(
        f"{_READERS}.records", "ArrayRecord files: a file, directory or pattern"
    ),
    "webdataset": Kind(
        f"{_READERS}.webdataset", ".tar files: a file, directory or pattern"
    ),
    "archive": Kind(
        f"{_READERS}.archive",
        "a .zip or .tar file of a folder",
        _SPLITS,
        ", as its folders are its labels and splits",
    ),
    "arrays": Kind(
        f"{_READERS}.arrays", "an .npy or .npz file, or a directory of .npy"
    ),
}
HUB = "huggingface:"
# A data set of TFDS has a version behind its colon, which is no identifier.
_OF_FUNCTIONS = Kind(f"{_READERS}.functions", flags=_SPLITS)
_OF_TFDS = Kind("and_tf.data.named", flags=frozenset({"label_key", *_SPLITS}))
WHAT_CAN_BE_GIVEN = (
    f"the name of a data set of TFDS; one of {', '.join(KINDS)}; {HUB}NAME for "
    "a data set of the Hugging Face hub; or module:function for a function "
    "that returns a reader"
)


def check_data_dir(dataset: str, data_dir: str) -> None:
    """Checks that --data_dir is given if a kind of data needs it.

    Args:
        dataset: The value of --dataset.
        data_dir: The value of --data_dir, "" for none.

    Raises:
        InputError: If it is missing.
    """
    wanted = kind_of(dataset).data_dir
    if wanted and not data_dir:
        raise InputError(
            f"Expected --data_dir, {wanted}, with --dataset={dataset}. "
            "Received none."
        )


def is_function(dataset: str) -> bool:
    """Returns whether a data set is named by a function that reads it."""
    return kind_of(dataset) is _OF_FUNCTIONS


def kind_of(dataset: str) -> Kind:
    """Returns the kind of a data set; a name that is no other's is of TFDS.

    Args:
        dataset: The value of --dataset.
    """
    if dataset in KINDS:
        return KINDS[dataset]
    if dataset.startswith(HUB):
        return KINDS["huggingface"]._replace(data_dir="")
    if _FUNCTION.fullmatch(dataset):
        return _OF_FUNCTIONS
    return _OF_TFDS
