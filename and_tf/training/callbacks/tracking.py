"""Sends flags and figures of a run to Weights & Biases or to MLflow.

Both bring a callback for Keras 3, which sends the logs of each epoch. Where
they go is said by their own variables, such as WANDB_MODE, WANDB_PROJECT,
MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from and_tf.utils import atomic_files, records, schemas
from and_tf.utils.errors import InputError, Interrupted

NAMES = ("wandb", "mlflow")


class WandbTracker:
    """A run of Weights & Biases.

    Args:
        directory: The directory of the run, whose name is the run's. What is
            not sent yet lies in wandb/ in it.
        known: The id of the run to continue; "" begins one.
        flags: The flags that the whole run has.

    Attributes:
        id: The id of the run.
        callback: The callback that sends the logs of each epoch.
    """

    def __init__(
        self, directory: pathlib.Path, known: str, flags: Mapping[str, Any]
    ) -> None:
        import wandb
        from wandb.integration.keras import WandbMetricsLogger

        self._run = wandb.init(
            id=known or None,
            resume="allow",
            name=str(directory),
            dir=directory,
            config=dict(flags),
            # What a run prints is for its own console.
            settings=wandb.Settings(console="off", silent=True),
        )
        self.id: str = self._run.id
        self.callback: keras.callbacks.Callback = WandbMetricsLogger()

    def write_result(self, figures: Mapping[str, float], step: int) -> None:
        """Sends final figures, which its table of runs shows."""
        del step
        self._run.summary.update(_final(figures))

    def close(self, complete: bool) -> None:
        """Sends what is left, and ends the run there."""
        self._run.finish(exit_code=0 if complete else 1)


class MlflowTracker:
    """A run of MLflow, by the packages mlflow-skinny or mlflow.

    See `WandbTracker` for arguments and attributes.
    """

    def __init__(
        self, directory: pathlib.Path, known: str, flags: Mapping[str, Any]
    ) -> None:
        import mlflow
        from mlflow.keras import MlflowCallback

        self._mlflow = mlflow
        run = mlflow.start_run(run_id=known or None, run_name=str(directory))
        self.id: str = run.info.run_id
        mlflow.log_params(dict(flags))
        self.callback: keras.callbacks.Callback = MlflowCallback()

    def write_result(self, figures: Mapping[str, float], step: int) -> None:
        """Sends final figures."""
        self._mlflow.log_metrics(_final(figures), step=step)

    def close(self, complete: bool) -> None:
        """Sends what is left, and ends the run there."""
        self._mlflow.flush_async_logging()
        self._mlflow.end_run("FINISHED" if complete else "KILLED")


Tracker = WandbTracker | MlflowTracker


def check(name: str) -> None:
    """Raises an `InputError` if the package of a tracker is missing.

    Args:
        name: The value of --tracker.
    """
    if name and importlib.util.find_spec(name) is None:
        raise InputError(
            f"Expected the package {name} with --tracker={name}. It is not "
            "installed. Install it by pip install -r requirements-track.txt, "
            "or leave the flag out."
        )


@contextlib.contextmanager
def tracked(
    name: str, directory: pathlib.Path, flags: Mapping[str, Any]
) -> Iterator[Tracker | None]:
    """Begins or continues the tracked run, and ends it after the block.

    Its id is kept in tracker.json, so that a resumed run goes on with it.

    Args:
        name: The value of --tracker; "" tracks nothing.
        directory: The directory of the run.
        flags: The flags that the whole run has.

    Raises:
        InputError: If the tracker refuses what it is given, or cannot be
            reached.
    """
    if not name:
        yield None
        return
    file = directory / "tracker.json"
    ids = _read(file)
    kind = WandbTracker if name == "wandb" else MlflowTracker
    with _refused(name, file):
        tracker = kind(directory, ids.get(name, ""), flags)
        atomic_files.write_text(file, json.dumps(ids | {name: tracker.id}))
        complete = False
        try:
            yield tracker
            complete = True
        finally:
            tracker.close(complete)


@contextlib.contextmanager
def _refused(name: str, file: pathlib.Path) -> Iterator[None]:
    """Says in one sentence what a tracker raises."""
    try:
        yield
    except (InputError, Interrupted):
        raise
    except Exception as error:
        if not type(error).__module__.startswith(name):
            raise
        raise InputError(
            f"Expected --tracker={name} to take what a run sends. Received: "
            f"{error}. Its own settings say where that goes, and {file} which "
            "run it continues there: remove that file to begin another. The "
            "run is kept up to its newest checkpoint: continue with --resume, "
            "with this flag or without."
        ) from error


def _read(file: pathlib.Path) -> dict[str, str]:
    """Returns the ids of tracked runs by the names of their trackers."""
    if not file.exists():
        return {}
    return records.read(
        file,
        schemas.Tracked,
        "the ids of tracked runs",
        "Remove it to begin another there.",
    )


def _final(figures: Mapping[str, float]) -> dict[str, float]:
    return {f"final/{name}": value for name, value in figures.items()}
