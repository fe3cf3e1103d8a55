"""How far a run is, as its log tells it."""

from __future__ import annotations

import pytest

from and_tf.sweeping import run_status


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (f"error: full\n{run_status.ENDED}1\n", "error: full"),
        (f"{run_status.ENDED}3\n", "exit code 3"),
        (f"epoch 1\n{run_status.ENDED}-9\n", "killed by SIGKILL"),
        (f"epoch 1\n{run_status.ENDED}-99\n", "killed by signal 99"),
    ],
)
def test_says_why_a_run_failed(tmp_path, text, note):
    run_status.log_of(tmp_path).write_text(text)
    assert run_status.outcome_of(tmp_path) == run_status.Outcome("failed", note)


@pytest.mark.parametrize("code", ["", "x", ",9", "1 or 2", "9" * 5000, "-"])
def test_a_line_that_says_no_code_is_none_of_an_end(tmp_path, code):
    run_status.log_of(tmp_path).write_text(f"{run_status.ENDED}{code}\n")
    assert run_status.outcome_of(tmp_path).state == "new"
