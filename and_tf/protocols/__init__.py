"""Protocols by name: each takes a trained run and gives `Findings`.

Nothing here imports TensorFlow until a protocol is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from and_tf.protocols.config import Options
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    from and_tf.protocols.results import Findings
    from and_tf.training.trained import Trained

Protocol = Callable[["Trained", Options], "Findings"]

NAMES = (
    "knn",
    "linear",
    "kmeans",
    "neighbourhoods",
    "embedding",
    "attention",
)


def check(names: Iterable[str]) -> None:
    """Sees to it that there are such protocols.

    Raises:
        InputError: If one is not of `NAMES`, or there is none.
    """
    names = list(names)
    unknown = sorted(set(names) - set(NAMES))
    if unknown or not names:
        raise InputError(
            f"Expected --protocols of {', '.join(NAMES)}. Received: "
            f"{', '.join(unknown) or 'none'}."
        )


def evaluate(
    run: Trained, names: Iterable[str], options: Options = Options()
) -> dict[str, dict[str, Any]]:
    """Evaluates a run; prints what is found and keeps it beside the run.

    Args:
        run: Which one.
        names: Of `NAMES`, in the order wanted.
        options: Of the protocols.

    Returns:
        Each protocol's figures by its name, as result.json has them: with
        the checkpoint that was evaluated, and the epochs and the steps of the
        next one that it has behind it.

    Raises:
        InputError: If protocols need what the run has not; all others are
            evaluated and kept first.
    """
    names = list(dict.fromkeys(names))
    check(names)
    figures, missing = {}, []
    of = {
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
    """The protocol of a name."""
    from and_tf.protocols import (
        attention,
        embedding,
        kmeans,
        knn,
        linear,
        neighbourhoods,
    )

    protocols = {
        "knn": knn.evaluate,
        "linear": linear.evaluate,
        "kmeans": kmeans.evaluate,
        "neighbourhoods": neighbourhoods.evaluate,
        "embedding": embedding.evaluate,
        "attention": attention.evaluate,
    }
    return protocols[name]
