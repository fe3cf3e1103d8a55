"""Runs the installed commands: `and-train` is `python -m and_tf.train`.

Each command runs its module under the name `__main__`, as `python -m` does.
So --help shows the flags of that module, and messages name the command
`python -m …`, which also works in a checkout.
"""

from __future__ import annotations

import runpy


def run_as_main(module: str) -> None:
    """Runs a module as `python -m` does.

    The module must not have been imported before, or its flags would be
    defined twice.

    Args:
        module: The full name of the module.
    """
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def train() -> None:
    """Runs `and-train`."""
    run_as_main("and_tf.train")


def evaluate() -> None:
    """Runs `and-evaluate`."""
    run_as_main("and_tf.evaluate")


def report() -> None:
    """Runs `and-report`."""
    run_as_main("and_tf.report")


def cluster() -> None:
    """Runs `and-cluster`."""
    run_as_main("and_tf.cluster")


def finetune() -> None:
    """Runs `and-finetune`."""
    run_as_main("and_tf.finetune")


def sweep() -> None:
    """Runs `and-sweep`."""
    run_as_main("and_tf.sweep")


def explore() -> None:
    """Runs `and-explore`."""
    run_as_main("and_tf.explore")
