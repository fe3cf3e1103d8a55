"""Tries random flags on every main, and makes their configs."""

from __future__ import annotations

import copy
import pathlib

from absl import flags
from hypothesis import strategies as st

from and_tf.utils import cli, flag_config
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig
from tests.fuzz.target import LONGEST, Target, answer
from tests.main_configs import MAINS, configs_of, flags_of

_TEXTS = (
    "", " ", "0", "-1", "1", "2", "007", "1_0", "0x10", "1e3", "1e999", "inf",
    "-inf", "nan", "1e-320", "9" * 5000, str(2**31), str(2**63), "true", "no",
    "\uff11", "a,b", ",,", "~", "~/x", "~nobody-is-that/x", "gs://b/x", "a\nb",
    "\x00", "\udcff", "x" * 5000, "last", "best", "round_1", "round_", "=",
    "--seed=1", "None", "knn,linear", "/dev/null", "..",
)  # fmt: skip


def make(directory: pathlib.Path) -> Target:
    """Makes a target that parses flags as a main does and makes its config."""
    files = _flagfiles(directory)
    configs = {main: configs_of(main) for main in MAINS}
    tables = {main: flags_of(configs[main]) for main in MAINS}

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
            sentence = cli.flags_sentence(error)
            assert len(sentence) <= LONGEST and "\n" not in sentence, sentence
            return
        for config in configs[main]:
            answer(lambda kind=config: _config(kind, parsed))

    def _choices(main: str, name: str) -> tuple[str, ...]:
        return tuple(getattr(tables[main][name].parser, "enum_values", ()))

    return Target(st.sampled_from(MAINS).flatmap(arguments), check)


def _config(kind: type, parsed: flags.FlagValues) -> None:
    """Makes a config, and asserts that its own flags give the same config."""
    made = flag_config.from_flags(kind, parsed)
    if not isinstance(made, RunConfig):
        return
    again = flags.FlagValues()
    flag_config.define_flags(kind, again)
    try:
        again(["", *made.to_flags()])
    except flags.Error as error:
        raise AssertionError(f"its own flags are refused: {error}") from error
    try:
        assert flag_config.from_flags(kind, again) == made, "another config"
    except InputError as error:
        raise AssertionError(f"its own flags are refused: {error}") from error


def _flagfiles(directory: pathlib.Path) -> list[str]:
    """Makes bad flagfiles: a circle, a binary file, a directory and none."""
    circle, binary = directory / "circle.cfg", directory / "binary.cfg"
    circle.write_text(f"--flagfile={circle}\n--seed=3\n")
    binary.write_bytes(b"\xff\xfe--seed=\x00\n")
    return [str(p) for p in (circle, binary, directory, directory / "none")]
