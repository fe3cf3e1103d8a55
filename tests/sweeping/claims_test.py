"""A run is one process' at a time, on one machine and on several."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from and_tf.sweeping import claims
from and_tf.utils.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path) -> pathlib.Path:
    return tmp_path / "rounds=1" / "seed_0"


def elsewhere(monkeypatch) -> None:
    """From now on this process is on a machine that sees no locks of ours."""
    monkeypatch.setattr(claims, "_machine", lambda: "another")
    monkeypatch.setattr(claims, "fcntl", None)


def age(run: pathlib.Path, number: int, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(claims._path(run, number), (then, then))


def test_one_of_many_has_it(run):
    """They begin together; each opens the file anew, as processes do."""
    barrier = threading.Barrier(16)

    def take(_: int) -> claims.Claim | None:
        barrier.wait()
        return claims.take(run)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        taken = [claim for claim in pool.map(take, range(16)) if claim]
    assert len(taken) == 1
    assert str(os.getpid()) in claims.holder(run)
    assert taken[0].beat()


def test_what_is_released_can_be_had_at_once(run, monkeypatch):
    claims.take(run).release()
    assert claims.holder(run) is None
    claims.take(run).release()
    elsewhere(monkeypatch)
    assert claims.holder(run) is None
    assert claims.take(run) is not None


def test_a_finished_run_leaves_no_claims(run):
    claims.take(run).release()
    claims.take(run).finish()
    assert list(run.parent.iterdir()) == []


CODE = """
import pathlib, subprocess, sys
from and_tf.sweeping import claims
claim = claims.take(pathlib.Path(sys.argv[1]))
child = subprocess.Popen(
    ["sleep", "60"], pass_fds=(claim.descriptor,), stdout=subprocess.DEVNULL
)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_dead_is_who_has_ended_with_the_training_it_began(run):
    """A killed process says nothing to anybody."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(run)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(process.stdout.readline())
    assert str(process.pid) in claims.holder(run)
    process.kill()
    process.communicate()
    assert claims.take(run) is None  # The training lives, and writes there.
    os.kill(child, 9)
    while claims.holder(run):  # Until the system has cleared it away.
        time.sleep(0.01)
    claim = claims.take(run)
    assert claim is not None
    assert claims.take(run) is None
    claim.release()


def test_on_another_machine_its_age_counts(run, monkeypatch):
    first = claims.take(run)
    elsewhere(monkeypatch)
    assert str(os.getpid()) in claims.holder(run)
    assert claims.take(run) is None
    age(run, 1, claims.STALE - 60)
    assert claims.take(run) is None
    age(run, 1, claims.STALE + 60)
    second = claims.take(run)
    assert second is not None
    assert not first.beat()  # It learns that it has lost the run,
    first.release()
    assert second.beat()  # and leaves the other's claim alone.
    assert claims.holder(run) is not None


def test_a_heartbeat_is_seen(run, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.0)
    claim = claims.take(run)
    elsewhere(monkeypatch)
    age(run, 1, claims.STALE + 60)
    assert claims.holder(run) is None
    assert claim.beat()
    assert claims.holder(run) is not None


def test_an_unwritten_claim_is_alive(run):
    """Of a process that has made the file this very moment."""
    run.parent.mkdir()
    claims._path(run, 1).touch()
    assert claims.take(run) is None


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Expected to write"):
        claims.take(tmp_path / "file" / "seed_0")
