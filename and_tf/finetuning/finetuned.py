"""Opens a finished fine-tuning, to report or export it."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import keras
import numpy as np

from and_tf import storage
from and_tf.data.pixel_format import PixelFormat
from and_tf.data.split import ImageData, Split
from and_tf.evaluation.embeddings import embed
from and_tf.finetuning import labelling
from and_tf.finetuning.classifier_file import CLASSIFIER
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import FinetuneDirectory
from and_tf.training.run import Run
from and_tf.utils import archives
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted


class Finetuned:
    """A finished fine-tuning whose parts load when they are first used.

    Args:
        path: The directory of the fine-tuning.
        data_dir: The directory of the data set now. If empty, it is where the
            fine-tuning read it.
        evaluates: Whether `probabilities` may run the classifier on the test
            images; if not, `probabilities` is None.

    Attributes:
        directory: The directory of the fine-tuning.
        config: The config of the fine-tuning.
        result: The content of result.json.
        data_dir: The argument `data_dir`.
        evaluates: The argument `evaluates`.

    Raises:
        InputError: If there is no fine-tuning in `path`, or it is not
            finished.
    """

    def __init__(
        self, path: pathlib.Path, data_dir: str = "", evaluates: bool = True
    ) -> None:
        self.evaluates = evaluates
        self.directory = FinetuneDirectory(path)
        self.config: FinetuneConfig = self.directory.config()
        self.data_dir = data_dir
        result = self.directory.read_result()
        if result is None:
            raise InputError(
                f"The fine-tuning in {path} is not finished. Finish it with "
                "python -m and_tf.finetune --resume."
            )
        self.result: dict[str, Any] = result

    @property
    def name(self) -> str:
        """A name for people, with the data set and the encoder."""
        encoder, dataset = self.result["backbone"], self.result["dataset"]
        return f"A classifier of {dataset}: {encoder}, fine-tuned"

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """The classifier, from images uint8 [B, S, S, C] to probabilities.

        Raises:
            InputError: If its file is missing or damaged.
        """
        path = self.directory.classifier
        try:
            return keras.models.load_model(path)
        except archives.DAMAGE as error:
            raise InputError(
                f"Expected the classifier in {path}. Received a file that "
                f"cannot be read ({archives.why(error)}). Remove result.json "
                "beside it and give the fine-tuning's own command with "
                "--resume, which writes both again without training."
            ) from error

    @functools.cached_property
    def trunk(self) -> keras.Model:
        """A model from the same images to the features, float32 [B, F]."""
        features = self.classifier.get_layer(CLASSIFIER).input
        return keras.Model(self.classifier.input, features, name="trunk")

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """A model from the same images to the features at unit norm."""
        unit = keras.layers.UnitNormalization(dtype="float32", name="unit_norm")
        outputs = unit(self.trunk.output)
        return keras.Model(self.trunk.input, outputs, name="features")

    @property
    def image_size(self) -> int:
        """The side S of the images in pixels."""
        return self.classifier.input_shape[1]

    @property
    def form(self) -> PixelFormat:
        """The channels of the images, and what their values mean."""
        return PixelFormat.of(self.result)

    @property
    def embedding_dim(self) -> int:
        """The dimension of the features."""
        return self.encoder.output_shape[-1]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(self.result["class_names"])

    @property
    def matching(self) -> list[int] | None:
        """The data set's number of each class; None if it has others."""
        return self.result["dataset_labels"]

    @functools.cached_property
    def images(self) -> ImageData:
        """The images of the run that was fine-tuned."""
        told = storage.place(self.config.run_dir)
        inside = (told / "flags.cfg").is_file()
        path = told if inside else self.directory.path.parent
        data_dir = self.data_dir or self.config.data_dir
        return Run(
            path, data_dir=data_dir, memory_gib=self.config.memory_gib
        ).images

    @functools.cached_property
    def test(self) -> Split | None:
        """The test images of known classes, numbered as the classifier does.

        None if there are none.
        """
        return labelling.choose(self.images, self.config).test

    @functools.cached_property
    def missing(self) -> str:
        """The reason why model or images cannot be loaded; "" if they can."""
        try:
            _ = self.classifier, self.test
        except InputError as error:
            return str(error)
        return ""

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """The logs of each epoch of the fine-tuning, a dict per epoch."""
        return self.directory.read_metrics()

    @functools.cached_property
    def probabilities(self) -> np.ndarray | None:
        """The probabilities of the classes of `test`, float32 [M, C].

        None if `evaluates` is False, there are no labelled test images, or the
        model or the images cannot be loaded.
        """
        if not self.evaluates or self.missing or self.test is None:
            return None
        split = self.test
        with Counted(f"classify {split.name}", split.size) as progress:
            return embed(
                self.classifier, split, self.image_size, progress.advance
            )

    def bank_rows(self) -> np.ndarray:
        """Raises an error, as a fine-tuning has no memory bank.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "Expected a run with a memory bank, for --gallery=bank. Received "
            f"the fine-tuning {self.directory.path}, which has none. Use "
            "--gallery=clean."
        )


def is_finetuning(path: pathlib.Path) -> bool:
    """Returns whether a directory is that of a fine-tuning.

    It looks for a flag that only a fine-tuning has, --labelled_fraction.
    """
    try:
        text = FinetuneDirectory(path).flagfile.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return "--labelled_fraction=" in text
