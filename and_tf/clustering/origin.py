"""Where a clustering is from: the run whose images it was made of."""

from __future__ import annotations

import dataclasses
import pathlib

from and_tf.clustering.config import ClusterConfig
from and_tf.clustering.directory import ClusterDirectory
from and_tf.config import TrainConfig
from and_tf.errors import InputError
from and_tf.run_directory import RunDirectory


def training_config(
    directory: ClusterDirectory, config: ClusterConfig
) -> TrainConfig:
    """The flags of the run, its images where the clustering had them.

    A run and the clustering in it may have been moved together; then the run
    is what the clustering lies in.

    Args:
        directory: The clustering's.
        config: Its flags.

    Raises:
        InputError: If the run is in neither place.
    """
    for path in (pathlib.Path(config.run_dir), directory.path.parent):
        run = RunDirectory(path)
        if run.flagfile.is_file():
            changes = {"memory_gib": config.memory_gib}
            if config.data_dir:
                changes["data_dir"] = config.data_dir
            return dataclasses.replace(run.config(), **changes)
    raise InputError(
        f"The clustering in {directory.path} needs the images of the run "
        f"{config.run_dir}, which is not there. Put the run back."
    )
