"""Defines commands' flags as the fields of frozen dataclasses.

A field states its flag once, by `option`: the group that --help shows it
under, the default, the help text, and which values are allowed.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import pathlib
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

from absl import flags

from and_tf.utils import bounds, flag_files, paths
from and_tf.utils.errors import InputError

# So absl attributes a flag to the main for which it is defined.
flags.disclaim_key_flags()

_DEFINE: dict[type, Callable[..., Any]] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_multi_string,
}
Config = TypeVar("Config", bound="FlagConfig")
Run = TypeVar("Run", bound="RunConfig")


class Group(enum.Enum):
    """The headings of --help under which flags are shown, in their order."""

    RUN = "Run"
    SWEEP = "Sweep"
    SERVER = "Server"
    DATA = "Data"
    MODEL = "Encoder"
    METHOD = "Method"
    TEACHER = "Teacher"
    SCHEDULE = "Schedule and optimiser"
    CLUSTERS = "Clusters"
    LABELS = "Labels"
    VIEWS = "Augmentation"
    SELF_LABELLING = "Self-labelling"
    EXPORT = "Export"
    EVALUATION = "Evaluation"
    KNN = "Weighted kNN"
    LINEAR = "Linear classifiers"
    KMEANS = "k-means"
    ATTENTION = "Attention maps"
    DEVICES = "Devices and precision"
    OUTPUT = "Output"
    CHECKPOINTS = "Checkpoints"


def option(group: Group, default: Any, text: str, **notes: Any) -> Any:
    """Makes a field that is a flag.

    Args:
        group: The heading that --help shows the flag under.
        default: The default, from which the type of the flag follows. A tuple
            makes a flag that may be given several times.
        text: The help text, in whole sentences.
        **notes: Further properties of the flag:

            *   `type`: The type, if the default is None.
            *   `unit`: The unit that a number counts, such as "images"; --help
                shows it as the value.
            *   `choices`: A tuple of the texts that are allowed.
            *   `least`, `most`: The smallest and the largest number allowed.
            *   `above`: Instead of `least`, a lower bound that is not allowed
                itself. A number has `most` and one of these; see `bounds`.
            *   `path`: True for a path; see `paths`.
            *   `urls`: True for a path that may be the URL of an object store.
            *   `any_text`: True for a text that may hold characters that a
                flagfile cannot keep, such as a file's name.
            *   `required`: A few words for the flag, if the command cannot do
                without it.
            *   `formerly`: The flag's name in older versions, which commands
                and flagfiles may still use.
            *   `free`: True if a resumed run may have another value.
            *   `of_rounds`: True if instance learning does not depend on it.
            *   `later`: True if only self-labelling depends on it.
    """
    notes = {"group": group, "help": text, **notes}
    return dataclasses.field(default=default, metadata=notes)


@dataclasses.dataclass(frozen=True)
class FlagConfig:
    """The flags of a command; each field is made by `option`."""

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def from_flagfile(
        cls, path: str | os.PathLike[str], **changes: Any
    ) -> Self:
        """Makes a config from a flagfile.

        Args:
            path: The path of the flagfile, which may name others; or the name
                of a config of the project, such as "quick.flags".
            **changes: Values that replace those of some flags, by name.

        Raises:
            InputError: If the file cannot be read or used, or its flags do not
                go together.
        """
        return from_flagfile(cls, flag_files.find(os.fspath(path)), **changes)


class RunConfig(FlagConfig):
    """The flags of a run, which its directory keeps as a flagfile.

    Attributes:
        ended_with: The last flag of flagfiles from older versions, which did
            not mark their end.
        seed: The random seed, a field of every run's config.
        resume: Whether to continue the run, a field of every run's config.
    """

    ended_with: ClassVar[str] = "knn_temperature"
    # Annotations alone: as fields they would come first in a flagfile.
    seed: int
    resume: bool

    @property
    def title(self) -> str:
        """A short description of the run, for people."""
        raise NotImplementedError

    @property
    def resolved(self) -> RunConfig:
        """The config with the defaults that depend on other flags filled in.

        Where there are none, it is this config itself.
        """
        return self

    def differences(self, other: RunConfig) -> list[str]:
        """Returns the names of fields in which two configs' runs differ."""
        return [
            name
            for name in self.run_fields()
            if getattr(self, name) != getattr(other, name)
        ]

    def run_fields(self) -> list[str]:
        """Returns the names of fields that a resumed run cannot change."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if not field.metadata.get("free")
        ]

    def to_flags(self) -> list[str]:
        """Returns the flags that make this config again."""
        return [
            f"--{name}={value}"
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        ]

    def to_flagfile(self) -> str:
        """Returns the text of a flagfile, whose last line marks its end."""
        return flag_files.text_of(self.to_flags())


def check_fields(config: Any) -> None:
    """Checks each field of a config against the notes of its `option`.

    Paths are replaced by the result of `paths.read`, even in a frozen config.

    Raises:
        InputError: If a value is missing, out of bounds, not one of the
            choices, or a text that a flagfile cannot keep.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata.get("path"):
            urls = field.metadata.get("urls", False)
            value = paths.read(field.name, value, urls=urls)
            object.__setattr__(config, field.name, value)
        _check(field, value)
    for field in dataclasses.fields(config):
        required = field.metadata.get("required")
        if required and not getattr(config, field.name):
            raise InputError(
                f"Expected --{field.name}, {required}. Received none."
            )


def _check(field: dataclasses.Field, value: Any) -> None:
    notes = field.metadata
    flag = f"--{field.name}"
    if "choices" in notes and value not in notes["choices"]:
        raise InputError(
            f"Expected {flag} to be one of {', '.join(notes['choices'])}. "
            f"Received: {value!r}."
        )
    if notes.get("type", type(field.default)) in (int, float):
        if value is not None:
            bounds.check(field.name, value, notes)
    if isinstance(value, str) and not notes.get("any_text"):
        paths.check_text(field.name, value)


def define_flags(
    config: type[FlagConfig], values: flags.FlagValues = flags.FLAGS
) -> None:
    """Defines one flag for each field of a config class."""
    for field in dataclasses.fields(config):
        notes = field.metadata
        given: tuple[str, Any] = (field.name, field.default)
        if "choices" in notes:
            flags.DEFINE_enum(
                *given, notes["choices"], notes["help"], flag_values=values
            )
        elif notes.get("path"):
            urls = notes.get("urls", False)
            paths.define(*given, notes["help"], values, urls=urls)
        else:
            kind = notes.get("type", type(field.default))
            _DEFINE[kind](*given, notes["help"], flag_values=values)
        if "formerly" in notes:
            flags.DEFINE_alias(
                notes["formerly"], field.name, flag_values=values
            )


def from_flags(
    config: type[Config],
    values: flags.FlagValues = flags.FLAGS,
    **instead: Any,
) -> Config:
    """Makes a config from parsed flags.

    Args:
        config: The class of the config.
        values: The parsed flags.
        **instead: Values that replace those of some flags, by name.
    """
    parsed = {
        field.name: values[field.name].value
        for field in dataclasses.fields(config)
    }
    return config(**parsed | instead)


def from_run(config: type[Run], path: pathlib.Path) -> Run:
    """Makes a config from the flagfile that a run directory keeps.

    Raises:
        InputError: If the file is cut off, or of another version.
    """
    flag_files.check_whole(path, config.ended_with)
    return from_flagfile(config, path)


def from_flagfile(
    config: type[Config], path: pathlib.Path, **instead: Any
) -> Config:
    """Makes a config from any flagfile, which may name others.

    Args:
        config: The class of the config.
        path: The path of the flagfile.
        **instead: Values that replace those of some flags, by name.

    Raises:
        InputError: If the file cannot be read, or is of another version.
    """
    values = flags.FlagValues()
    define_flags(config, values)
    try:
        values(["", *flag_files.expand(flag_files.read(path))])
    # A flagfile that it names may not be text, or have an invalid name.
    except (flags.Error, OSError, ValueError) as error:
        raise InputError(
            f"Expected a flagfile of this version in {path}. Received: {error}"
        ) from error
    return from_flags(config, values, **instead)
