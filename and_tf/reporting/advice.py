"""What a page says of something that it does not have."""

from __future__ import annotations

import shlex

from and_tf.reporting.completion import is_current
from and_tf.reporting.markup import Html, block, join, note, paragraph
from and_tf.reporting.reported_run import ReportedRun
from and_tf.utils.checkpoint_names import LAST, moment


def command(module: str, run: ReportedRun, **flags: str) -> str:
    """A command on the run's directory, as a shell takes it."""
    given = {"run_dir": str(run.directory.path), **flags}
    words = [f"--{name}={value}" for name, value in given.items()]
    return shlex.join(["python", "-m", f"and_tf.{module}", *words])


def not_evaluated(run: ReportedRun, protocol: str) -> Html:
    """That a protocol was not run, and how it is."""
    which = {} if run.which == LAST else {"checkpoint": run.which}
    how = command("evaluate", run, protocols=protocol, **which)
    return join(
        note("This was not evaluated for this run. To evaluate it:"), block(how)
    )


def needs_encoder(run: ReportedRun) -> Html:
    """Why nothing was asked of the encoder, and how it can be."""
    if run.missing:
        text = (
            "This needs the run's images and its model, which could not be "
            "loaded. Where the images have moved, name their place:"
        )
        return join(note(text), block(command("report", run, data_dir="…")))
    if not run.evaluates:
        text = "This page was written with --noevaluate. To ask the encoder:"
        return join(note(text), block(command("report", run)))
    return note("This needs labels, which the images do not have.")


def staleness(run: ReportedRun, protocol: str) -> Html:
    """That figures are of another checkpoint than the page's, if so."""
    figures = run.evaluation(protocol)
    if figures is None or is_current(run, protocol):
        return join()
    then = moment(figures.get("epochs", 0), figures.get("step", 0))
    return paragraph(
        f"Evaluated after {then}, while the rest of this page is of "
        f"{run.moment}."
    )
