"""Flags of every main, and what the configs that are made of them refuse."""

from __future__ import annotations

import copy
import importlib
import pathlib

from absl import flags
from hypothesis import strategies as st

from and_tf.scan.config import ClusterConfig
from and_tf.training import config as configs
from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError
from tests.fuzz.target import LONGEST, Target, answer

MAINS = (
    "and_tf.train", "and_tf.cluster", "and_tf.evaluate", "and_tf.sweep",
    "and_tf.report", "export.client", "export.embed", "export.saved_model",
    "export.search", "export.tflite.__main__",
)  # fmt: skip
_CONFIGS = {"and_tf.train": TrainConfig, "and_tf.cluster": ClusterConfig}
_TEXTS = (
    "", " ", "0", "-1", "1", "2", "007", "1_0", "0x10", "1e3", "1e999", "inf",
    "-inf", "nan", "1e-320", "9" * 5000, str(2**31), str(2**63), "true", "no",
    "\uff11", "a,b", ",,", "~", "~/x", "~nobody-is-that/x", "gs://b/x", "a\nb",
    "\x00", "\udcff", "x" * 5000, "last", "best", "round_1", "round_", "=",
    "--seed=1", "None", "knn,linear", "/dev/null", "..",
)  # fmt: skip


def make(directory: pathlib.Path) -> Target:
    """Parses random flags as a main does, and makes its config of them."""
    files = _flagfiles(directory)
    tables = {main: _table(main) for main in MAINS}

    def arguments(main: str) -> st.SearchStrategy[tuple[str, list[str]]]:
        names = st.sampled_from(sorted(tables[main]))
        choices = sorted({c for n in tables[main] for c in _choices(main, n)})
        values = st.one_of(
            st.sampled_from(_TEXTS),
            st.sampled_from(choices or ["x"]),
            st.integers().map(str),
            st.floats().map(str),
            st.text(max_size=8),
        )
        one = st.one_of(
            st.builds("--{}={}".format, names, values),
            st.builds("--{}".format, names),
            st.builds("--no{}".format, names),
            st.builds("--flagfile={}".format, st.sampled_from(files)),
            values,
        )
        return st.tuples(st.just(main), st.lists(one, max_size=5))

    def check(value: tuple[str, list[str]]) -> None:
        main, given = value
        parsed = copy.deepcopy(tables[main])
        try:
            parsed(["main", *given])
        except (flags.Error, OSError, ValueError) as error:
            # `cli` makes one line of it.
            assert len(str(error)) <= LONGEST + 6000, len(str(error))
            return
        if main in _CONFIGS:
            answer(lambda: _config(_CONFIGS[main], parsed))

    def _choices(main: str, name: str) -> tuple[str, ...]:
        return tuple(getattr(tables[main][name].parser, "enum_values", ()))

    return Target(st.sampled_from(MAINS).flatmap(arguments), check)


def _table(main: str) -> flags.FlagValues:
    """The flags that a main defines, without those of the mains before."""
    for name in list(flags.FLAGS):
        delattr(flags.FLAGS, name)
    importlib.import_module(main)
    return copy.deepcopy(flags.FLAGS)


def _config(kind: type, parsed: flags.FlagValues) -> None:
    """Makes a config, whose flagfile has to give the same one again."""
    made = configs.from_flags(kind, parsed)
    again = flags.FlagValues()
    configs.define_flags(kind, again)
    try:
        again(["", *made.to_flags()])
    except flags.Error as error:
        raise AssertionError(f"its own flags are refused: {error}") from error
    try:
        assert configs.from_flags(kind, again) == made, "another config"
    except InputError as error:
        raise AssertionError(f"its own flags are refused: {error}") from error


def _flagfiles(directory: pathlib.Path) -> list[str]:
    """Flagfiles that are none, or that name each other."""
    circle, binary = directory / "circle.cfg", directory / "binary.cfg"
    circle.write_text(f"--flagfile={circle}\n--seed=3\n")
    binary.write_bytes(b"\xff\xfe--seed=\x00\n")
    return [str(p) for p in (circle, binary, directory, directory / "none")]
