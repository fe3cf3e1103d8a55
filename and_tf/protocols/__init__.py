"""Evaluates trained runs by protocols, which are found by name.

Each protocol takes a run and returns `Findings`. This module imports
TensorFlow only when a protocol is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from and_tf.protocols.config import Options
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    from and_tf.protocols.results import Findings
    from and_tf.training.run import Run

Protocol = Callable[["Run", Options], "Findings"]

NAMES = (
    "knn",
    "linear",
    "kmeans",
    "neighbourhoods",
    "selections",
    "embedding",
    "attention",
)


def check(names: Iterable[str]) -> None:
    """Checks that all names are names of protocols.

    Raises:
        InputError: If a name is not among `NAMES`, or `names` is empty.
    """
    names = list(names)
    unknown = sorted(set(names) - set(NAMES))
    if unknown or not names:
        raise InputError(
            f"Expected --protocols among {', '.join(NAMES)}. Received: "
            f"{', '.join(unknown) or 'none'}."
        )


def evaluate(
    run: Run, names: Iterable[str], options: Options = Options()
) -> dict[str, dict[str, Any]]:
    """Evaluates a run, prints the results and writes them to its directory.

    A protocol whose inputs are missing (such as labels) is skipped; the
    others still run.

    Args:
        run: The run.
        names: Names among `NAMES`, in the order to evaluate them.
        options: The options of all protocols.

    Returns:
        The figures of each protocol by its name, as in result.json. They
        include the checkpoint that was evaluated, the number of its finished
        epochs, and the number of steps done of its next epoch.

    Raises:
        InputError: If the inputs of any protocol are missing. It is raised
            after the other protocols are done and written.
    """
    names = list(dict.fromkeys(names))
    check(names)
    figures, missing = {}, []
    of: dict[str, Any] = {
        "checkpoint": run.which,
        "epochs": run.checkpoint.epochs,
        "step": run.checkpoint.step,
    }
    if run.which == checkpoint_names.BEST:
        of["checkpoint_chosen_by"] = "kNN in the memory bank, on the queries"
    for name in names:
        try:
            findings = find(name)(run, options)
        except InputError as error:
            missing.append(str(error))
            continue
        findings.figures.update(of)
        written = findings.write(run.directory, name, of["epochs"], run.which)
        print(f"\n{findings.text}")
        for file in written:
            print(f"  wrote {run.directory.path / file}")
        figures[name] = findings.figures
    if missing:
        raise InputError(*missing)
    return figures


def find(name: str) -> Protocol:
    """Returns the protocol with a name among `NAMES`."""
    from and_tf.protocols import (
        attention,
        embedding,
        kmeans,
        knn,
        linear,
        neighbourhoods,
        selections,
    )

    protocols = {
        "knn": knn.evaluate,
        "linear": linear.evaluate,
        "kmeans": kmeans.evaluate,
        "neighbourhoods": neighbourhoods.evaluate,
        "selections": selections.evaluate,
        "embedding": embedding.evaluate,
        "attention": attention.evaluate,
    }
    return protocols[name]
