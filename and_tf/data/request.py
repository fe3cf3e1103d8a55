"""Defines what a user asks for by the flags of data."""

from __future__ import annotations

import dataclasses

from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.utils.dataset_names import Kind, check_data_dir
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Request:
    """A data set that a user asks for, by the flags of the same names.

    Attributes:
        dataset: The name of the data set, or the kind of its files.
        data_dir: The file, directory or pattern of the data; None if none was
            given.
        label_key: What holds the labels: a feature, a column, or an array; ""
            finds it.
        image_key: The same for the images.
        split_key: The column that names each row's split; "" finds it.
        train_split: The training split; "" finds it.
        test_split: The test split; "" finds it.
        form: The channels that are read, and what their values mean.
        url: The URL that `data_dir` was fetched from; "" if it was not.
    """

    dataset: str
    data_dir: str | None = None
    label_key: str = ""
    image_key: str = ""
    split_key: str = ""
    train_split: str = ""
    test_split: str = ""
    form: PixelFormat = RGB
    url: str = ""

    def check(self, kind: Kind) -> None:
        """Checks that a kind of data sets reads the flags that were given.

        Raises:
            InputError: If a flag is given that it does not read, or
                --data_dir is missing.
        """
        given = dataclasses.asdict(self)
        others = {"dataset", "data_dir", "url", "form"}
        for flag in sorted(set(given) - others - kind.flags):
            if given[flag]:
                raise InputError(
                    f"Expected --dataset={self.dataset} without --{flag}"
                    f"{kind.hint}. Received: --{flag}={given[flag]}. Leave it "
                    "out."
                )
        check_data_dir(self.dataset, self.data_dir or "")

    @property
    def place(self) -> str:
        """The value of --data_dir of a kind that needs one."""
        assert self.data_dir is not None  # As `check` has seen.
        return self.data_dir
