"""Tries an edited or damaged flags.cfg of a run directory."""

from __future__ import annotations

import pathlib

from hypothesis import strategies as st

from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

_LINES = (
    "--seed=1", "--seed=x", "--seed", "--noseed", "--resume", "--noresume",
    "--flagfile=/nowhere", "--flagfile=.", "--flagfile", "--undefok=x",
    "--x=1", "seed=1", "# end of 3 flags", "# end of 999 flags", "", "--",
    "--run_dir=a\x00b", "--data_dir=~/x", "--data_dir=\xff", "--rounds=1e3",
    "--checkpoint=best", "--epochs=0", "--learning_rate=nan", "-seed 3", "'",
)  # fmt: skip


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads a config, writes it and reads it again."""
    kinds = {"run": RunDirectory, "clustering": ClusterDirectory}
    files = {
        "run": TrainConfig(dataset="digits").to_flagfile().encode(),
        "clustering": ClusterConfig(run_dir="x").to_flagfile().encode(),
    }
    lines = st.lists(st.sampled_from(_LINES), max_size=4)

    def check(value: tuple[Damaged, list[str]]) -> None:
        file, more = value
        found = kinds[file.name](directory)
        text = "\n".join(["", *more, ""]) if more else ""
        content = file.content(files) + text.encode("latin-1")
        found.flagfile.write_bytes(content)
        config = answer(found.config)
        if config is not None:
            found.flagfile.write_bytes(
                config.to_flagfile().encode(errors="surrogateescape")
            )
            assert found.config() == config, "another config when read again"

    return Target(st.tuples(damaged(files), lines), check)
