"""Keeps the results of a protocol in a run's directory."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf import figures as pictures_of_run
from and_tf.training.callbacks.event_files import writing
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.checkpoint_names import LAST


@dataclasses.dataclass(frozen=True)
class Findings:
    """The results of one protocol.

    Attributes:
        figures: The figures as JSON values, including the settings of the
            protocol under "protocol".
        text: The figures as text for the console.
        pictures: Pictures, uint8 [H, W, 3], by name.
    """

    figures: dict[str, Any]
    text: str
    pictures: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def write(
        self, directory: RunDirectory, protocol: str, epochs: int, which: str
    ) -> list[str]:
        """Writes the results to a run's directory, replacing earlier ones.

        Args:
            directory: The directory of the run.
            protocol: The name of the protocol.
            epochs: The number of finished epochs of the checkpoint.
            which: The name of the checkpoint, see
                `checkpoint_names.round_of`.

        Returns:
            The names of the picture files.

        Raises:
            InputError: If the disk is full or the directory is not writable.
        """
        names = []
        for name, picture in self.pictures.items():
            path = directory.picture(name, which)
            pictures_of_run.save_png(picture, path)
            names.append(path.name)
        self._write_board(directory, protocol, epochs, which)
        directory.add_evaluation(protocol, self.figures, which)
        return names

    def _write_board(
        self, directory: RunDirectory, protocol: str, epochs: int, which: str
    ) -> None:
        """Writes the pictures to their own TensorBoard folder.

        It deletes the old folder first, so that no picture is shown twice.
        """
        parts = [] if which == LAST else [which]
        place = directory.tensorboard.joinpath("evaluation", *parts, protocol)
        with writing(place):
            if place.exists():
                shutil.rmtree(place)
            if not self.pictures:
                return
            board = tf.summary.create_file_writer(str(place))
            with board.as_default(step=epochs):
                for name, picture in self.pictures.items():
                    tf.summary.image(name, picture[np.newaxis])
            board.close()
