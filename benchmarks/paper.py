"""Read the paper's rows, and tell whose recipe a run has.

benchmarks/paper_rows.json has every published figure with the command that
trains it.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from and_tf.sweeping.metrics import gather
from and_tf.training.config import TrainConfig
from and_tf.utils import flag_config
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig
from benchmarks import commands

PATH = pathlib.Path(__file__).parent / "paper_rows.json"
# What a run may have otherwise than the paper's recipe: neither the paper nor
# its authors' code name a seed or a number format. The page says the latter.
LEFT_OPEN = ("seed", "precision")
Run = tuple[RunConfig, dict[str, Any]]


def paper_rows() -> list[dict[str, Any]]:
    """Return every published figure."""
    return json.loads(PATH.read_text("utf-8"))


def paper_row(row_id: str) -> dict[str, Any]:
    """Return the row of an id, which has to be there."""
    return next(row for row in paper_rows() if row["id"] == row_id)


def check_rows(ids: Sequence[str]) -> None:
    """Check that rows of the paper have these ids.

    Raises:
        InputError: If an id is unknown.
    """
    known = [row["id"] for row in paper_rows()]
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise InputError(
            f"Expected ids of benchmarks/paper_rows.json. Received: "
            f"{', '.join(unknown)}. There are: {', '.join(known)}."
        )


def check_recipe(found: Sequence[Run], row: str) -> None:
    """Check that a run has the very recipe of a row.

    Args:
        found: Runs, of which one has to have it.
        row: The row's id.

    Raises:
        InputError: If no run has it, or not the figure that the row gives.
    """
    wanted = paper_row(row)
    have = gather([result for _, result in found])
    if None in have.get(wanted["figure"], [None]):
        raise InputError(
            f"Expected runs with the figure that {row} asks for, "
            f"{wanted['measure']}. Received: {', '.join(have) or 'none'}. "
            "Evaluate it first, or give the row as --about."
        )
    names = min((differences(config, row) for config, _ in found), key=len)
    if names:
        raise InputError(
            f"Expected the recipe of {row} ({wanted['command']}). Received a "
            f"run with another {', '.join(names)}. Give it as --about, which "
            "tells it beside the row."
        )


def rows_of(config: TrainConfig, figure: str) -> list[str]:
    """Find the rows of the paper whose recipe a training has.

    Args:
        config: The training's config.
        figure: The name of the figure that the rows give.

    Returns:
        Their ids.
    """
    return [
        row["id"]
        for row in paper_rows()
        if row["figure"] == figure
        and "on" not in row
        and not differences(config, row["id"])
    ]


def differences(config: RunConfig, row_id: str) -> list[str]:
    """Return the flags in which a run differs from the recipe of a row."""
    row = paper_row(row_id)
    names = config.differences(commands.config_of(row["command"]))
    if "on" in row:
        trained, start = trained_config(config), commands.config_of(row["on"])
        names += trained.differences(start) if trained else ["run_dir"]
    return [name for name in names if name not in LEFT_OPEN]


def trained_config(config: RunConfig) -> TrainConfig | None:
    """Return the config of the run that was clustered, if it is there."""
    flagfile = pathlib.Path(config.run_dir) / "flags.cfg"
    if not flagfile.is_file():
        return None
    return flag_config.from_run(TrainConfig, flagfile)
