"""Evaluating what a page shows and nobody has evaluated yet."""

from __future__ import annotations

from and_tf import protocols
from and_tf.reporting.reported_run import ReportedRun
from and_tf.utils.errors import InputError

# Those that need nothing chosen; linear classifiers take long, and are shown
# where they were asked for.
SHOWN = ("neighbourhoods", "embedding", "attention")


def complete(run: ReportedRun) -> None:
    """Evaluates the protocols that this checkpoint has not had.

    One that needs what the run has not, such as a round, is said and left
    out.

    Args:
        run: With its data, and the leave to evaluate.
    """
    for name in SHOWN:
        if name not in protocols.NAMES or is_current(run, name):
            continue
        print(f"evaluating {name}", flush=True)
        try:
            protocols.evaluate(run.trained, [name])
        except InputError as error:
            print(f"  left out: {error}")


def is_current(run: ReportedRun, protocol: str) -> bool:
    """Whether a protocol's figures are of the checkpoint that is shown."""
    figures = run.evaluation(protocol)
    if figures is None:
        return False
    done = figures.get("epochs"), figures.get("step", 0)
    return done == (run.epochs, run.step)
