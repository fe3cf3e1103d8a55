"""Reads the flags of the pipelines' commands, and passes on those of Beam.

A flag that a command does not have is an option of Apache Beam, such as
--runner=FlinkRunner or --direct_num_workers=8. A flagfile may hold both.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence

from absl import flags, logging

from and_tf.utils import bounds, cli, flag_files
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import FlagConfig, Group, option

# So absl attributes flags to the main for which they are defined.
flags.disclaim_key_flags()

# Flags of every command, of which absl makes some only as it starts.
_OF_ABSL = ("help", "helpshort", "helpfull", "helpxml", "?", "undefok")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclasses.dataclass(frozen=True)
class PipelineFlags(FlagConfig):
    """Flags that all pipelines have."""

    output: str = option(
        Group.OUTPUT,
        "",
        "Beginning of the names of the new files, a path or a URL: "
        "tables/photos gives tables/photos-00000-of-00008.parquet and so on.",
        required="the beginning of the files' names, such as tables/photos",
    )
    shards: int = option(
        Group.OUTPUT,
        8,
        "Number of files that the rows are written to.",
        unit="files",
        least=1,
        most=99_999,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        # Workers may be in another directory.
        object.__setattr__(self, "output", absolute(self.output))


@dataclasses.dataclass(frozen=True)
class ImagesFlags(PipelineFlags):
    """Flags of pipelines that read images."""

    images: str = option(
        Group.DATA,
        "",
        "Images to read: a folder, an image file, a quoted pattern such as "
        "'photos/**/*.jpg' or 'gs://bucket/photos/**', or a list of paths: "
        "a .csv, .jsonl or .parquet file, or a pattern of several, with a "
        "column called path or file_name.",
        required="a folder, a file, a pattern or a list of paths",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "images", expanded(self.images))


@dataclasses.dataclass(frozen=True)
class ModelFlags(ImagesFlags):
    """Flags of pipelines that put images through a model."""

    model: str = option(
        Group.MODEL,
        "",
        "Directory of a SavedModel of export.saved_model, or file of a .tflite "
        "model, under the same path on every worker.",
        required="the directory of a SavedModel or a .tflite file",
        path=True,
    )
    batch_size: int = option(
        Group.MODEL,
        64,
        "Number of images that go through the model at a time; more need "
        "more memory.",
        unit="images",
        least=1,
        most=bounds.BATCH,
    )


@dataclasses.dataclass(frozen=True)
class NeighboursFlags(PipelineFlags):
    """Flags that name the embeddings and the output."""

    index: str = option(
        Group.DATA,
        "",
        "Embeddings: the --output of export.beam.embed, a .parquet file of "
        "export.embed, or a quoted pattern of such files.",
        required="the --output of python -m export.beam.embed",
    )
    neighbours: int = option(
        Group.METHOD,
        10,
        "Number of neighbours of each image.",
        unit="images",
        least=1,
        most=bounds.NEIGHBOURS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "index", expanded(self.index))


@dataclasses.dataclass(frozen=True)
class DuplicatesFlags(ImagesFlags):
    """Flags that name the images, their neighbours and the output."""

    neighbours: str = option(
        Group.DATA,
        "",
        "Neighbours of the images: the --output of export.beam.neighbours, "
        "with 8 neighbours each or more. If empty, crops are not found.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "neighbours", expanded(self.neighbours))


def is_url(place: str) -> bool:
    """Returns whether a place is a URL, such as gs://bucket/photos."""
    return _URL.match(place) is not None


def expanded(place: str) -> str:
    """Returns a path with the home directory instead of a tilde."""
    return place if is_url(place) else os.path.expanduser(place)


def absolute(place: str) -> str:
    """Returns an absolute path; a URL stays as it is."""
    return place if is_url(place) else os.path.abspath(expanded(place))


def run(main: Callable[..., None], config: type[PipelineFlags]) -> None:
    """Runs a main with its config and the options of Beam, see `cli.run`.

    Args:
        main: The function to run. It takes the config and the flags that the
            config does not have.
        config: The class whose fields are the command's own flags.
    """
    own, others = _divided(sys.argv[1:], config)
    sys.argv = [sys.argv[0], *own]

    @functools.wraps(main)
    def with_options(given: PipelineFlags) -> None:
        check_packages()
        # Beam warns of packages that no pipeline here needs.
        logging.set_verbosity(logging.ERROR)
        main(given, others)

    cli.run(with_options, config)


def check_packages() -> None:
    """Refuses to begin where Apache Beam is missing.

    Raises:
        InputError: If it is missing.
    """
    if importlib.util.find_spec("apache_beam") is None:
        raise InputError(
            "Expected the package apache-beam, which runs pipelines. Received "
            "none. Install it: pip install -r requirements-beam.txt, or pip "
            "install 'and-tf[beam]'."
        )


def _divided(
    arguments: Sequence[str], config: type[PipelineFlags]
) -> tuple[list[str], list[str]]:
    """Returns the arguments that are a command's own, and all others.

    A value that stands alone, as in `--runner FlinkRunner`, goes with the flag
    before it.
    """
    try:
        arguments = flag_files.expand(arguments)
    except (InputError, flags.Error):
        return list(arguments), []  # Which `cli.run` reports.
    names = {field.name for field in dataclasses.fields(config)}
    names |= {*flags.FLAGS, *_OF_ABSL}
    own: list[str] = []
    others: list[str] = []
    chosen = own
    for argument in arguments:
        if argument.startswith("-"):
            name = argument.lstrip("-").partition("=")[0]
            known = name in names or name.removeprefix("no") in names
            chosen = own if known else others
        chosen.append(argument)
    return own, others
