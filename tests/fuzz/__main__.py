"""Runs the search on targets, and prints its findings.

    python -m tests.fuzz --minutes=10 --seed=3
    python -m tests.fuzz --targets=tables --seed=42 --minutes=0

The first line tries all targets in turn, batch after batch. For each finding
it prints a command like the second line, which repeats the finding by a single
batch of one target.
"""

from __future__ import annotations

import collections
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from absl import app, flags
from hypothesis import configuration

from tests.fuzz import batches, registry
from tests.fuzz.batches import Finding

_MINUTES = flags.DEFINE_float(
    "minutes",
    10.0,
    "Time to search for, in minutes. 0 tries one batch of each target.",
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Random seed of the first batch. Each further batch has the next number.",
)
_EXAMPLES = flags.DEFINE_integer(
    "examples", 200, "Number of inputs in a batch."
)
_SECONDS = flags.DEFINE_integer(
    "seconds", batches.SECONDS, "Time limit of one input, in seconds."
)
_TARGETS = flags.DEFINE_list(
    "targets",
    list(registry.TARGETS),
    "Names of the targets to try, separated by commas.",
)


def main(argv: Sequence[str]) -> None:
    """Searches as the flags say; exits with code 1 if there are findings."""
    del argv
    names, examples = _TARGETS.value, _EXAMPLES.value
    deadline = time.monotonic() + 60 * _MINUTES.value
    seed, seconds = _SEED.value, _SECONDS.value
    # The mains that are tried define flags, some of which have these names.
    for name in ("minutes", "seed", "examples", "seconds", "targets"):
        delattr(flags.FLAGS, name)
    with tempfile.TemporaryDirectory() as directory:
        configuration.set_hypothesis_home_dir(directory)
        findings = _search(names, seed, examples, seconds, deadline)
        found = list(_new(findings, examples))
    if found:
        sys.exit(1)


def _search(
    names: Sequence[str],
    seed: int,
    examples: int,
    seconds: int,
    deadline: float,
) -> Iterator[Finding]:
    """Tries batches of all targets in turn, and yields the findings."""
    makers = {name: registry.maker(name) for name in names}
    tried = collections.Counter()
    while True:
        for name, make in makers.items():
            batch = batches.run(name, make, seed, examples, seconds)
            tried[name] += batch.tried
            if batch.finding:
                yield batch.finding
        seed += 1
        if time.monotonic() >= deadline:
            break
    for name, count in tried.items():
        print(f"{name}: {count:,} inputs")


def _new(findings: Iterator[Finding], examples: int) -> Iterator[Finding]:
    """Prints and yields the first finding of each kind."""
    seen = collections.Counter()
    for finding in findings:
        kind = finding.target, finding.place, finding.error.partition(":")[0]
        seen[kind] += 1
        if seen[kind] > 1:
            continue
        print(
            f"\nfound in {finding.target} with seed {finding.seed}: "
            f"{finding.error}\n  in {finding.place}\n  input {finding.value}\n"
            f"  again: python -m tests.fuzz --targets={finding.target} "
            f"--seed={finding.seed} --examples={examples} --minutes=0\n"
            f"{finding.trace}",
            flush=True,
        )
        yield finding
    print(f"{len(seen)} kinds of findings")


if __name__ == "__main__":
    app.run(main)
