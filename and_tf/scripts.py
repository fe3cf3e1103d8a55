"""The installed commands: `and-train` is `python -m and_tf.train`, and so on.

Each runs its module as `python -m` does, under the name `__main__`. So --help
shows that module's flags, and sentences name the command that also works in a
checkout.
"""

from __future__ import annotations

import runpy


def run_as_main(module: str) -> None:
    """Runs a module as `python -m` does.

    It must not be imported before: its flags would be defined twice.

    Args:
        module: Its full name.
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


def sweep() -> None:
    """Runs `and-sweep`."""
    run_as_main("and_tf.sweep")
