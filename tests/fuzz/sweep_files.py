"""Tries the files of a run in a sweep: its claims, its log and its result."""

from __future__ import annotations

import json
import pathlib

from hypothesis import strategies as st

from and_tf.sweeping import claims, run_status
from and_tf.utils.errors import InputError
from tests.fuzz.json_edits import edited
from tests.fuzz.mutations import damaged
from tests.fuzz.target import Target, answer
from tests.fuzz.valid_results import RESULTS

_CLAIMS = {
    "claim": {"host": "a", "process": 1, "machine": "b", "gpus": "GPU 0"}
}
_LOGS = {
    "code": b"epoch 1\nerror: Expected more.\n[sweep] ended with exit code 1\n",
    "signal": b"epoch 1\n[sweep] ended with exit code -9\n",
    "empty": b"",
}
_STATES = ("done", "running", "failed", "interrupted", "new")


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads a run's state, as a sweep's processes do."""
    run = directory / "run"
    run.mkdir()
    inputs = st.tuples(
        st.none() | edited(RESULTS),
        st.none() | edited(_CLAIMS),
        damaged(_LOGS),
        st.sampled_from(("1", "2", "x", "1 (copy)", "9" * 30, "-1", "0")),
    )

    def check(value: tuple) -> None:
        result, claim, log, number = value
        for path in directory.glob("run.claim_*"):
            path.unlink()
        (run / "result.json").unlink(missing_ok=True)
        if result is not None:
            (run / "result.json").write_bytes(result.content(RESULTS))
        if claim is not None:
            path = directory / f"run.claim_{number}"
            path.write_bytes(claim.content(_CLAIMS))
        run_status.log_of(run).write_bytes(log.content(_LOGS))
        found = answer(lambda: run_status.outcome_of(run))
        if found is not None:
            assert found.state in _STATES
            json.dumps(found.note)
        _take(run)

    return Target(inputs, check)


def _take(run: pathlib.Path) -> None:
    try:
        claim = claims.take(run)
    except InputError:
        return
    if claim is not None:
        assert claim.beat()
        claim.release()
