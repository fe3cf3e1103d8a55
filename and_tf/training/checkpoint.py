"""Writes and reads checkpoints: files with the whole state of a run.

A file is an uncompressed `.npz`, read without pickle. It appears whole or not
at all, and each array carries a CRC-32, so that a damaged file is noticed.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import functools
import io
import json
import pathlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import keras
import numpy as np

from and_tf.method.rounds import Rounds
from and_tf.utils import atomic_files, checkpoint_names, records, schemas
from and_tf.utils.archives import DAMAGE, why
from and_tf.utils.errors import InputError

FORMAT = 2  # 1 had no steps within an epoch.
KEEP = 2  # The newest, and one before it in case it is damaged.


class Checkpoints:
    """The checkpoints of one run.

    Methods that read first wait until a checkpoint in writing is complete.

    Args:
        directory: The directory of the checkpoints.
        written: Called after a checkpoint was written and older ones were
            deleted, in the thread that did so.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        self.directory = directory
        self._written = written
        self._writing: concurrent.futures.Future | None = None

    def save(
        self,
        epochs: int,
        groups: Mapping[str, Iterable[keras.Variable]],
        metadata: dict,
        *,
        step: int = 0,
        kept: Collection[int] = (),
        beside: bool = False,
    ) -> None:
        """Writes a checkpoint and deletes those that are no longer needed.

        Args:
            epochs: The number of finished epochs.
            groups: Variables by the part that they belong to, such as
                "encoder", so that one part can be restored without the others.
            metadata: JSON values that are written with the variables.
            step: The number of steps done in the epoch after these.
            kept: Numbers of finished epochs whose checkpoints are never
                deleted.
            beside: Whether to return once the variables are copied, and to
                write them in another thread; `wait` waits for it.

        Raises:
            InputError: If this checkpoint, or an earlier one that was written
                in the other thread, cannot be written.
        """
        arrays = {
            f"{group}/{i:04d}/{variable.path}": np.asarray(variable)
            for group, variables in groups.items()
            for i, variable in enumerate(variables)
        }
        of_file = {"format": FORMAT, "epochs": epochs, "step": step}
        counts = collections.Counter(name.partition("/")[0] for name in arrays)
        header = json.dumps({**metadata, **of_file, "arrays": counts})
        write = functools.partial(
            self._write,
            self._path(epochs, step),
            {"notes": np.array(header), **arrays},
            {self._path(number) for number in kept},
        )
        self.wait()
        if beside:
            self._writing = _writer().submit(write)
        else:
            write()

    def wait(self) -> None:
        """Waits for the checkpoint that the other thread is writing.

        Raises:
            InputError: If the checkpoint cannot be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(
        self,
        path: pathlib.Path,
        arrays: dict[str, Any],
        kept: set[pathlib.Path],
    ) -> None:
        """Writes a file, and then deletes those that it replaces."""
        atomic_files.write(path, lambda file: np.savez(file, **arrays))
        self._drop(path, kept)
        self._written()

    def _drop(self, newest: pathlib.Path, kept: set[pathlib.Path]) -> None:
        """Deletes all checkpoints except `kept` and the newest `KEEP`.

        A run continues from its newest whole checkpoint, so checkpoints after
        the one just written are damaged. They are deleted too; otherwise they
        would count as the newest, and whole ones would be deleted instead.
        """
        paths = self._paths()
        place = paths.index(newest) + 1
        old = set(paths[: max(place - KEEP, 0)]) - kept
        for path in (*old, *paths[place:]):
            path.unlink(missing_ok=True)

    def _path(self, epochs: int, step: int = 0) -> pathlib.Path:
        return self.directory / checkpoint_names.file_name(epochs, step)

    def best(self, epochs: int) -> Checkpoint:
        """Reads the checkpoint after the best epoch.

        Args:
            epochs: The number of epochs finished then, see `best_epochs`.

        Raises:
            InputError: If the file is missing, as always for 0 epochs, or
                damaged.
        """
        self.wait()
        path = self._path(epochs)
        try:
            return Checkpoint(path)
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(
                f"Expected the checkpoint of the best epoch. Received: {path}, "
                f"which cannot be read ({why(error)}): the run was not "
                "evaluated, or the file is damaged. Use --checkpoint=last."
            ) from error

    def of_rounds(self, plan: Rounds) -> dict[int, pathlib.Path]:
        """Returns the existing checkpoints of rounds' ends, by round.

        Args:
            plan: The rounds of the run.
        """
        self.wait()
        paths = {r: self._path(epochs) for r, epochs in plan.ends.items()}
        return {r: path for r, path in paths.items() if path.is_file()}

    def of_round(self, number: int, plan: Rounds) -> Checkpoint:
        """Reads the checkpoint at the end of a round.

        Args:
            number: The number r of the round; 0 is instance learning.
            plan: The rounds of the run.

        Raises:
            InputError: If the checkpoint is missing or damaged.
        """
        paths = self.of_rounds(plan)
        others = ", ".join(f"round_{r}" for r in paths if r != number)
        take = (
            f"Use one of last, {others}."
            if others
            else "Use --checkpoint=last."
        )
        if number not in paths:
            raise InputError(
                f"Expected the checkpoint of round {number}'s end in "
                f"{self.directory}. Received none: the run has no such round, "
                "has not come to its end, or was trained without "
                f"--keep_rounds. {take}"
            )
        try:
            return Checkpoint(paths[number])
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(
                f"Expected the checkpoint of round {number}'s end. Received: "
                f"{paths[number]}, which is damaged ({why(error)}). {take}"
            ) from error

    def adopt(self, checkpoint: Checkpoint) -> Checkpoint:
        """Writes another run's checkpoint as one of this run, and reads it."""
        path = self._path(checkpoint.epochs, checkpoint.step)
        atomic_files.write(path, checkpoint.write)
        return Checkpoint(path)

    def paths(self) -> list[pathlib.Path]:
        """Returns the checkpoints' files, oldest first, without other files."""
        self.wait()
        return self._paths()

    def _paths(self) -> list[pathlib.Path]:
        found = self.directory.glob("epoch_*.npz")
        # By stem, so that an epoch's end sorts before steps in the next epoch.
        return sorted(
            (
                p
                for p in found
                if checkpoint_names.is_file(p.name) and p.is_file()
            ),
            key=lambda path: path.stem,
        )

    def newest_metadata(self) -> dict[str, Any] | None:
        """Reads the newest checkpoint's JSON, but none of its arrays.

        Returns:
            The JSON values; None if there is no checkpoint, or none that can
            be read.
        """
        for path in reversed(self.paths()):
            with (
                contextlib.suppress(*DAMAGE),
                np.load(path, allow_pickle=False) as data,
            ):
                return _metadata(data)
        return None

    def latest(self) -> Checkpoint | None:
        """Reads the newest whole checkpoint; returns None if there is none."""
        for path in reversed(self.paths()):
            try:
                return Checkpoint(path)
            except InputError:
                raise
            except DAMAGE as error:
                words = why(error)
                print(f"{path} is damaged ({words}); trying the one before.")
        return None


def _metadata(data: Any) -> dict[str, Any]:
    """Reads the JSON in an open checkpoint, and nothing else of it."""
    # `records.decode` would refuse NaN, which the metadata may hold.
    found = json.loads(str(data["notes"]))
    records.check(found, schemas.CheckpointMetadata)
    return found


@functools.cache
def _writer() -> concurrent.futures.ThreadPoolExecutor:
    """Returns the one thread that writes; Python waits for it at its exit."""
    return concurrent.futures.ThreadPoolExecutor(1, "checkpoint")


def best_epochs(history: Sequence[Mapping[str, Any]]) -> int:
    """Returns after how many epochs kNN in the memory bank was best.

    The accuracy is that on the queries, usually the test split, by which the
    authors choose too.

    Args:
        history: The logs of epochs, with `knn_bank` in those that were
            evaluated.

    Returns:
        The number of finished epochs; 0 if there was no evaluation.
    """
    rows = [row for row in history if "knn_bank" in row]
    best = max(rows, key=lambda row: row["knn_bank"], default=None)
    return best["epoch"] + 1 if best else 0


class Checkpoint:
    """One checkpoint, read whole.

    Args:
        path: The file of the checkpoint.
        content: The bytes of the file, if another process has read it; None
            reads the file.

    Attributes:
        path: The file of the checkpoint.
        epochs: The number of finished epochs.
        step: The number of steps done in the epoch after these.
        metadata: The JSON values that were written with the variables.

    Raises:
        InputError: If the file is of a newer format.
        DAMAGE: If the file is missing or damaged, see `archives.DAMAGE`.
    """

    def __init__(
        self, path: pathlib.Path, content: bytes | None = None
    ) -> None:
        self.path = path
        file = path if content is None else io.BytesIO(content)
        with np.load(file, allow_pickle=False) as data:
            # Compressed arrays are refused, so that a file cannot fill more
            # memory than its own size.
            if any(i.compress_type for i in data.zip.infolist()):
                raise ValueError("compressed, as no checkpoint is")
            self.metadata = _metadata(data)
            if self.metadata["format"] > FORMAT:
                raise InputError(
                    f"Expected a checkpoint of format {FORMAT} or older. "
                    f"Received format {self.metadata['format']} in {path}: it "
                    "needs a newer and_tf."
                )
            # Reading checks each array's CRC.
            self._arrays = {k: data[k] for k in data.files if k != "notes"}
        self._check_complete()
        self.epochs: int = self.metadata["epochs"]
        self.step: int = self.metadata.get("step", 0)

    def _check_complete(self) -> None:
        """Checks that no array is lost, which a CRC does not show.

        A group's arrays are numbered from 0, and the metadata of all but the
        first versions hold their number in each group. A whole group may be
        missing: a file without the memory bank is smaller, for example.

        Raises:
            ValueError: If an array is lost.
        """
        numbers: dict[str, list[int]] = {}
        for name in self._arrays:
            group, number, _ = name.split("/", 2)
            numbers.setdefault(group, []).append(int(number))
        counts = self.metadata.get("arrays") or {}
        for group, found in numbers.items():
            count = counts.get(group, len(found))
            if sorted(found) != list(range(count)):
                raise ValueError(f"it has lost an array of the {group}")

    @property
    def moment(self) -> str:
        """The progress of the run, such as "5 epochs and step 7"."""
        return checkpoint_names.moment(self.epochs, self.step)

    def has(self, group: str) -> bool:
        """Returns whether the checkpoint has arrays of a group."""
        return any(name.startswith(f"{group}/") for name in self._arrays)

    def arrays(self, group: str) -> list[np.ndarray]:
        """Returns a group's arrays, in the order of their variables."""
        return [
            array
            for name, array in self._arrays.items()
            if name.startswith(f"{group}/")
        ]

    def array(self, group: str, name: str) -> np.ndarray:
        """Returns one array of a group.

        Args:
            group: The name of the group, such as "method".
            name: The name of the variable, such as "rows" of a memory bank.

        Raises:
            InputError: If the checkpoint has no such array.
        """
        return self._arrays[self._key(group, name)]

    def replace(self, group: str, name: str, array: np.ndarray) -> None:
        """Replaces an array in memory; the file is not changed.

        Args:
            group: The name of the group, see `array`.
            name: The name of the variable, see `array`.
            array: The new array, of any shape.

        Raises:
            InputError: If the checkpoint has no such array.
        """
        self._arrays[self._key(group, name)] = array

    def _key(self, group: str, name: str) -> str:
        """Finds the key of an array, "group/number/layer/name"."""
        for key in self._arrays:
            if key.startswith(f"{group}/") and key.endswith(f"/{name}"):
                return key
        raise InputError(
            f"Expected an array {name!r} of the {group} in {self.path}. It was "
            "written without this part, or is of another model."
        )

    def write(self, file: BinaryIO) -> None:
        """Writes the checkpoint to an open file, with replaced arrays."""
        np.savez(
            file, notes=np.array(json.dumps(self.metadata)), **self._arrays
        )

    def restore(self, group: str, variables: Iterable[keras.Variable]) -> None:
        """Assigns a group's arrays to variables, in their order.

        Raises:
            InputError: If the number of arrays, or a shape, does not match.
        """
        variables = list(variables)
        arrays = [
            (name, array)
            for name, array in self._arrays.items()
            if name.startswith(f"{group}/")
        ]
        if len(variables) != len(arrays):
            raise InputError(
                f"Expected {len(variables)} arrays of the {group} in "
                f"{self.path}. Received: {len(arrays)}. The checkpoint belongs "
                "to another model, or was written without this part."
            )
        for variable, (name, array) in zip(variables, arrays, strict=True):
            if tuple(variable.shape) != array.shape:
                raise InputError(
                    f"Expected {name} of shape {tuple(variable.shape)} in "
                    f"{self.path}. Received: {array.shape}. The checkpoint "
                    "belongs to another model or data set."
                )
            variable.assign(array)
