"""What a protocol found, and where in a run's directory it is kept."""

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
    """What one protocol found.

    Attributes:
        figures: JSON, with the protocol that they have to be read with.
        text: The same for people.
        pictures: uint8 [H, W, 3] by name.
    """

    figures: dict[str, Any]
    text: str
    pictures: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def write(
        self, directory: RunDirectory, protocol: str, epochs: int, which: str
    ) -> list[str]:
        """Adds them to a run's directory, in place of earlier ones.

        Args:
            directory: The run's.
            protocol: Its name.
            epochs: After which the run was evaluated.
            which: The checkpoint; see `checkpoint_name.round_of`.

        Returns:
            The names of the files that pictures were written to.

        Raises:
            InputError: If there is no room, or no right to write.
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
        """Puts the pictures into a folder of TensorBoard that is theirs.

        It is made anew, so that nothing stands there twice.
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
