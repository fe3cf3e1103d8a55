"""Runs pipelines, and says in a sentence why one has failed."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import re
from collections.abc import Callable, Sequence

import apache_beam as beam
from absl import logging
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    StandardOptions,
)
from apache_beam.runners.runner import PipelineState

from and_tf.utils import paths
from and_tf.utils.errors import InputError
from export.beam.pipeline_flags import absolute, is_url

# Beam's DirectRunner first tries a runner, Prism, that it downloads as a
# program. This is the one that it falls back to.
_DIRECT, _WITHOUT_DOWNLOAD = "DirectRunner", "FnApiRunner"
_LOCAL = (_WITHOUT_DOWNLOAD, "BundleBasedDirectRunner")


def read_options(flags: Sequence[str]) -> PipelineOptions:
    """Reads the options of Beam.

    Args:
        flags: The flags that a command does not have itself.

    Raises:
        InputError: If Beam does not have them either, or refuses a value. A
            runner on a cluster may know more options than Beam's own code, so
            that only runners on this machine are asked.
    """
    words = io.StringIO()
    try:
        with contextlib.redirect_stderr(words):
            options = PipelineOptions(list(flags))
            standard = options.view_as(StandardOptions)
            standard.runner = standard.runner or _DIRECT
            known = options.get_all_options()
            given = options.get_all_options(retain_unknown_options=True)
    except SystemExit as error:  # argparse prints and exits.
        said = words.getvalue().strip().rpartition("error: ")[2]
        raise InputError(
            f"Expected options of Apache Beam. Received: {' '.join(flags)}: "
            f"{said}."
        ) from error
    if standard.runner == _DIRECT:
        standard.runner = _WITHOUT_DOWNLOAD
    if standard.runner not in _LOCAL:
        logging.set_verbosity(logging.INFO)  # What a cluster is doing.
    unknown = sorted(set(given) - set(known))
    stray = [flag for flag in flags[:1] if not flag.startswith("-")]
    if stray or unknown and standard.runner in _LOCAL:
        raise InputError(
            "Expected flags of this command or options of Apache Beam. "
            f"Received: {stray[0] if stray else '--' + unknown[0]}. Run with "
            "--help for the flags."
        )
    return options


def check_output(prefix: str, *suffixes: str) -> None:
    """Checks before any work that new files can be written.

    Args:
        prefix: The beginning of the files' names, a path or a URL.
        *suffixes: What follows it in the names of each kind of file, before
            the number of the shard.

    Raises:
        InputError: If some are there, or the place cannot be written to.
    """
    if not is_url(prefix):
        paths.check_output("output", pathlib.Path(prefix))
    for suffix in suffixes:
        there = matching(f"{prefix}{suffix}-*-of-*", "output")
        if there:
            raise InputError(
                f"Expected a new --output. Received: {prefix}, of which "
                f"{there[0]} is there already. Remove it or choose another."
            )


def matching(pattern: str, flag: str) -> list[str]:
    """Returns the paths or URLs that match a pattern, sorted.

    Raises:
        InputError: If no file system of Beam knows such URLs, or it cannot be
            asked.
    """
    pattern = absolute(pattern)
    try:
        found = FileSystems.match([pattern])[0].metadata_list
    except Exception as error:  # Each file system raises its own types.
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"Expected a place that Apache Beam can read for --{flag}. "
            f"Received: {pattern}: {said[:300]}."
        ) from error
    return sorted(metadata.path for metadata in found)


def run(
    options: PipelineOptions, build: Callable[[beam.Pipeline], None]
) -> None:
    """Runs a pipeline to its end.

    Args:
        options: The options of `read_options`.
        build: A function that adds the transforms to the pipeline.

    Raises:
        InputError: If the runner gives up, or cannot be reached.
    """
    try:
        pipeline = beam.Pipeline(options=options)
        build(pipeline)
        state = pipeline.run().wait_until_finish()
    except InputError:
        raise
    except Exception as error:  # Whatever a worker or a service has raised.
        raise _failed(options, str(error) or type(error).__name__) from error
    if state not in (None, PipelineState.DONE):
        raise _failed(options, f"the state {state}")


def remove(prefix: str) -> None:
    """Removes the files with a prefix and a number of a shard."""
    FileSystems.delete(matching(f"{prefix}-*-of-*", "output"))


def make_directory(prefix: str) -> None:
    """Makes the directory that files with a prefix lie in."""
    if not is_url(prefix):
        os.makedirs(os.path.dirname(os.path.abspath(prefix)), exist_ok=True)


def _failed(options: PipelineOptions, text: str) -> InputError:
    """Makes the error for a pipeline that has failed."""
    own = re.findall(r"InputError: (Expected .+?)(?: \[while running|$)", text,
                     re.MULTILINE)  # fmt: skip
    if own:
        return InputError(own[-1])
    runner = options.view_as(StandardOptions).runner
    lines = [line.strip(" .") for line in text.splitlines() if line.strip()]
    return InputError(
        f"Expected {runner} to carry out the pipeline. Received: "
        f"{lines[-1][:600]}. No table was written; mend this and give the "
        "command again. --debug shows more."
    )
