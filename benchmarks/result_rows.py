"""Group the runs of a result file by the flags that they differ in."""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from and_tf.sweeping.command import CLUSTER, command_of
from and_tf.sweeping.metrics import gather
from and_tf.utils import provenance
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig
from benchmarks.paper import Run, differences


def varied(found: Sequence[RunConfig]) -> list[str]:
    """Return the flags, but the seed, that runs differ in."""
    first, command = found[0], command_of(found[0])
    names = {n for one in found for n in command.differences(one, first)}
    ordered = [*first.run_fields(), *command.inputs]
    return [n for n in ordered if n in names and n != "seed"]


class Shown:
    """Writes values of flags as they may be published.

    A directory is a machine's; of it are shown as many of its last names as
    tell it from the others.
    """

    def __init__(self, found: Sequence[RunConfig]) -> None:
        self._names = {}
        for name in CLUSTER.inputs:
            paths = {getattr(one, name, "") for one in found}
            self._names[name] = shortest(paths)

    def value(self, config: RunConfig, name: str) -> Any:
        """Return a flag's value, or the name of a directory that it is."""
        value = getattr(config, name)
        return self._names[name][value] if name in self._names else value


def shortest(paths: Collection[str]) -> dict[str, str]:
    """Return as many last parts of each path as tell all apart."""
    parts = {path: pathlib.PurePath(path).parts for path in paths}
    for count in range(1, max(map(len, parts.values()), default=0) + 1):
        names = {path: "/".join(p[-count:]) for path, p in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {path: path for path in paths}


def rows_of(
    found: Sequence[Run],
    names: Sequence[str],
    shown: Shown,
    reproduces: Sequence[str],
) -> list[dict[str, Any]]:
    """Group runs by the values of what varies.

    Args:
        found: Runs, sorted by their seeds.
        names: The flags that vary.
        shown: Writes their values.
        reproduces: Rows of the paper, whose recipe at least one group has.

    Returns:
        A dict a group, as result files have it.

    Raises:
        InputError: If a seed is missing, or there twice.
    """
    groups: dict[tuple, list[Run]] = {}
    for config, result in found:
        key = tuple(shown.value(config, name) for name in names)
        groups.setdefault(key, []).append((config, result))
    _check_seeds(groups)
    return [
        {
            "values": dict(zip(names, key, strict=True)),
            "seeds": [config.seed for config, _ in group],
            "seconds": [result["seconds"] for _, result in group],
            "images_per_second": [
                result.get("train_images_per_second") for _, result in group
            ],
            "reproduces": [
                row for row in reproduces if not differences(group[0][0], row)
            ],
            **_origins(group[0][1]),
            "figures": gather([result for _, result in group]),
        }
        for key, group in sorted(groups.items())
    ]


def _origins(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return where trained weights come from, without places on a machine."""
    return {
        name: {
            key: pathlib.PurePath(value).name
            if key in ("source", "encoder")
            else value
            for key, value in result[name].items()
        }
        for name in provenance.ENTRIES
        if result.get(name)
    }


def _check_seeds(groups: Mapping[tuple, Sequence[Run]]) -> None:
    """Check that the command of the sweep gives these seeds.

    Raises:
        InputError: If one is missing, or there twice.
    """
    first = min(group[0][0].seed for group in groups.values())
    for key, group in groups.items():
        seeds = [config.seed for config, _ in group]
        wanted = list(range(first, first + len(seeds)))
        if seeds != wanted:
            raise InputError(
                f"Expected the seeds {wanted} of each combination. Received: "
                f"{seeds} of {key}."
            )
