"""Checkpoints: files with everything that a run is at one of its steps.

A file is an uncompressed `.npz`, read without pickle. It appears whole or not
at all, and each array carries a CRC-32, so that a damaged file is noticed.
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import io
import json
import pathlib
from collections.abc import Collection, Iterable, Mapping, Sequence
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

    What is asked of them waits until all that was to be written is.

    Args:
        directory: Where they lie.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
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
        """Writes a checkpoint and drops those that nobody needs any more.

        Args:
            epochs: How many are finished.
            groups: Variables by what they belong to, such as "encoder", so
                that one group can be restored without the others.
            metadata: JSON that goes with them.
            step: Steps done in the epoch after.
            kept: The checkpoints after so many epochs are kept for good, see
                `_drop`.
            beside: Whether to return once all is copied, and to write in
                another thread; `wait` waits for it.

        Raises:
            InputError: If this one, or one that was written beside before,
                cannot be written.
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
        """Waits for a checkpoint that is being written beside.

        Raises:
            InputError: If it cannot be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(
        self,
        path: pathlib.Path,
        arrays: dict[str, Any],  # Of NumPy's; `savez` takes other options too.
        kept: set[pathlib.Path],
    ) -> None:
        """Writes a file, and then drops those that it replaces."""
        atomic_files.write(path, lambda file: np.savez(file, **arrays))
        self._drop(path, kept)

    def _drop(self, newest: pathlib.Path, kept: set[pathlib.Path]) -> None:
        """Leaves what is kept for good, and the newest `KEEP`.

        A run goes on from the newest one that is whole, so what lies after
        the one just written is damaged. It would else count as newest, and
        have what is whole dropped in its place.
        """
        paths = self._paths()
        place = paths.index(newest) + 1
        old = set(paths[: max(place - KEEP, 0)]) - kept
        for path in (*old, *paths[place:]):
            path.unlink(missing_ok=True)

    def _path(self, epochs: int, step: int = 0) -> pathlib.Path:
        return self.directory / checkpoint_names.file_name(epochs, step)

    def best(self, epochs: int) -> Checkpoint:
        """Reads the one after the epoch that was best.

        Args:
            epochs: How many that is, such as `best_epochs` says.

        Raises:
            InputError: If the file is not there, as that of none never is, or
                not whole.
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
        """The files of those rounds' ends that are there, by round.

        Args:
            plan: The run's rounds.
        """
        self.wait()
        paths = {r: self._path(epochs) for r, epochs in plan.ends.items()}
        return {r: path for r, path in paths.items() if path.is_file()}

    def of_round(self, number: int, plan: Rounds) -> Checkpoint:
        """Reads the one of a round's end.

        Args:
            number: r; 0 is instance learning.
            plan: The run's rounds.

        Raises:
            InputError: If it is not there, or not whole.
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
        """The checkpoints there are, oldest first; strays are passed over."""
        self.wait()
        return self._paths()

    def _paths(self) -> list[pathlib.Path]:
        found = self.directory.glob("epoch_*.npz")
        # By stem: "." sorts before "_", but only where no suffix follows.
        return sorted(
            (
                p
                for p in found
                if checkpoint_names.is_file(p.name) and p.is_file()
            ),
            key=lambda path: path.stem,
        )

    def latest(self) -> Checkpoint | None:
        """Reads the newest checkpoint that is whole, None if there is none."""
        for path in reversed(self.paths()):
            try:
                return Checkpoint(path)
            except InputError:
                raise
            except DAMAGE as error:
                words = why(error)
                print(f"{path} is damaged ({words}); trying the one before.")
        return None


@functools.cache
def _writer() -> concurrent.futures.ThreadPoolExecutor:
    """The one thread that writes; Python waits for it before it ends."""
    return concurrent.futures.ThreadPoolExecutor(1, "checkpoint")


def best_epochs(history: Sequence[Mapping[str, Any]]) -> int:
    """Epochs after which kNN in the bank was best so far, 0 for none.

    That is on the queries, usually the test split, as the authors choose.

    Args:
        history: Logs of epochs, with `knn_bank` in those that have it.
    """
    rows = [row for row in history if "knn_bank" in row]
    best = max(rows, key=lambda row: row["knn_bank"], default=None)
    return best["epoch"] + 1 if best else 0


class Checkpoint:
    """One checkpoint, read whole.

    Args:
        path: Its file.
        content: What is in the file, where another process has read it.

    Attributes:
        path: Its file.
        epochs: Finished epochs.
        step: Steps done in the epoch after them.
        metadata: The JSON that was saved with it.

    Raises:
        InputError: If the file is of a newer format.
    """

    def __init__(
        self, path: pathlib.Path, content: bytes | None = None
    ) -> None:
        self.path = path
        file = path if content is None else io.BytesIO(content)
        with np.load(file, allow_pickle=False) as data:
            # So that a file cannot fill more memory than its own size.
            if any(i.compress_type for i in data.zip.infolist()):
                raise ValueError("compressed, as no checkpoint is")
            # Not by `records.decode`, as they may hold NaN, which is no JSON.
            self.metadata: dict[str, Any] = json.loads(str(data["notes"]))
            records.check(self.metadata, schemas.CheckpointMetadata)
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
        """Notices an array that is lost, which no CRC tells.

        A group's arrays are numbered from 0, and the notes of all but the
        first versions say how many of each group there are. A whole group may
        be missing: files are smaller without the memory bank, say.

        Raises:
            ValueError: If one is lost.
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
        """How far the run was, for people."""
        return checkpoint_names.moment(self.epochs, self.step)

    def has(self, group: str) -> bool:
        """Whether it was written with this part."""
        return any(name.startswith(f"{group}/") for name in self._arrays)

    def arrays(self, group: str) -> list[np.ndarray]:
        """A group's arrays, in the order of the variables that they were."""
        return [
            array
            for name, array in self._arrays.items()
            if name.startswith(f"{group}/")
        ]

    def array(self, group: str, name: str) -> np.ndarray:
        """Returns one array of a group.

        Args:
            group: Such as "method".
            name: That of its variable, such as "rows" of a memory bank.

        Raises:
            InputError: If the checkpoint has no such array.
        """
        return self._arrays[self._key(group, name)]

    def replace(self, group: str, name: str, array: np.ndarray) -> None:
        """Puts another array in the place of one; the file is not changed.

        Args:
            group: See `array`.
            name: See `array`.
            array: Of any shape.

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
        """Writes what this is, replaced arrays included."""
        np.savez(
            file, notes=np.array(json.dumps(self.metadata)), **self._arrays
        )

    def restore(self, group: str, variables: Iterable[keras.Variable]) -> None:
        """Assigns a group's arrays to the variables that they were of.

        Raises:
            InputError: If a shape is another, or there are more or fewer.
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
