"""Loads data sets of TensorFlow Datasets by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.data.request import Request
from and_tf.data.split import ImageData, Split, Stream
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# The training and the test split of data sets for which they are not "train"
# and "test", or "train" and "validation" where there is no "test".
_SPLITS = {
    "imagenet2012": ("train", "validation"),  # Its test split has no labels.
    "stl10": ("train+unlabelled", "test"),
}


def load(request: Request) -> ImageData:
    """Makes streamed splits of a data set, which is prepared if necessary.

    Raises:
        InputError: If there is no such data set, split or label, or the data
            cannot be obtained.
    """
    from and_tf.data import from_tfds

    builder = _open_tfds(request.dataset, request.data_dir)
    usual_train, usual_test = _SPLITS.get(builder.name, ("train", ""))
    test_split = request.test_split
    if not test_split:
        found = [s for s in ("test", "validation") if s in builder.info.splits]
        test_split = usual_test or (found[0] if found else "")
    train_split = request.train_split or usual_train
    more = request.label_key, request.form
    train = from_tfds.read(builder, train_split, *more)
    test = None
    if test_split:
        test = from_tfds.read(builder, test_split, *more)
    form = request.form
    if not (isinstance(train.stream, Stream) and train.stream.values):
        form = PixelFormat(form.channels)  # It is of 8 bits.
    return ImageData(request.dataset, train, test, form=form)


def read_tfds_split(
    name: str,
    split: str,
    data_dir: str | None = None,
    label_key: str = "",
    *,
    prepared: bool = False,
    form: PixelFormat = RGB,
) -> Split:
    """Makes a streamed split of a data set of TFDS; nothing is decoded yet.

    Args:
        name: The name of a TFDS data set, with or without a config and a
            version.
        split: The split in the notation of TFDS, such as "test[:10%]".
        data_dir: The directory in which TFDS keeps its data; None takes the
            default of TFDS.
        label_key: The name of the feature that holds the labels; "" finds it.
        prepared: True requires that the data set is prepared already. False
            prepares it if it is not.
        form: The channels that are read, and what their values mean.

    Raises:
        InputError: If there is no such data set, split or label, or the data
            cannot be obtained.
    """
    from and_tf.data import from_tfds

    builder = _open_tfds(name, data_dir, prepared)
    return from_tfds.read(builder, split, label_key, form)


def _open_tfds(
    name: str, data_dir: str | None, prepared: bool = False
) -> tfds.core.DatasetBuilder:
    """Opens a data set of TFDS, and prepares it first if necessary."""
    from and_tf.data import cifar10
    from and_tf.data.builder import download, open_builder

    prepare = cifar10.prepare if name == "cifar10" else download
    if prepared:
        prepare = _refuse
    return open_builder(name, data_dir, prepare)


def _refuse(builder: tfds.core.DatasetBuilder) -> None:
    raise InputError(
        f"Expected {builder.name} prepared in {builder.data_dir}. Received: "
        "nothing there. Name its directory with --data_dir."
    )
