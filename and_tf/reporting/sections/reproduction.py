"""How to run it again: command, flags, versions, seed, checkpoint."""

from __future__ import annotations

import dataclasses
import shlex

from and_tf.reporting.advice import command
from and_tf.reporting.markup import (
    Html,
    block,
    code,
    details,
    element,
    join,
    table,
)
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section
from and_tf.training.config import RunConfig
from and_tf.training.run_directory import versions


def section(run: ReportedRun) -> Section:
    """All that a second run needs."""
    parts = [
        element(
            "p", "With all flags that differ from the defaults. ",
            code("--resume"), " beside them goes on with the run, or shows it "
            "where it is finished.",
        ),
        block(config_command("train", run.config)),
        element("p", "This page again:"),
        block(command("report", run)),
        _facts(run),
        details("All flags", block(run.directory.flagfile.read_text())),
    ]  # fmt: skip
    return Section("reproduction", "How to run it again", join(*parts))


def config_command(module: str, config: RunConfig) -> str:
    """The command of a run, a flag a line, as a shell takes it."""
    given = [
        f"--{field.name}={shlex.quote(str(value))}"
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != field.default
        and field.name != "resume"
    ]
    return " \\\n    ".join([f"python -m and_tf.{module}", *given])


def _facts(run: ReportedRun) -> Html:
    rows = [("seed", str(run.config.seed))]
    if run.checkpoint:
        rows.append(("checkpoint", run.checkpoint.path.name))
        mark = run.checkpoint.notes.get("data")
        if mark:
            rows.append(("data, SHA-256 of names and classes", mark[:16]))
    rows.append(("page written with", f"tensorflow {versions()['tensorflow']}"))
    trained_with = (run.result or {}).get("versions", {})
    rows += [(f"trained with {k}", v) for k, v in trained_with.items()]
    return table("What figures depend on beside the flags", ("", ""), rows)
