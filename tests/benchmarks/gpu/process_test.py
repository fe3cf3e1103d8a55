"""Processes that are ended in time, and what is said of those that fail."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from and_tf.utils.errors import Interrupted
from benchmarks.gpu.process import Failed, Launcher

# Keeps its step when it is asked to end, as a training does.
SCRIPT = """\
import signal, sys
def keep(*_):
    print("kept its step")
    sys.exit(143)
signal.signal(signal.SIGTERM, keep)
print("ready")
while True:
    signal.pause()
"""


@pytest.fixture
def script(tmp_path) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return [str(path)]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "logs" / "log.txt"


def ready(log) -> bool:
    return log.is_file() and "ready" in log.read_text()


class Clock:
    """Stands still until the process has begun, then is far on."""

    def __init__(self, log):
        self._log = log

    def __call__(self) -> float:
        return 1e6 if ready(self._log) else 0.0


def test_the_time_limit_ends_a_training_gently(script, log):
    launcher = Launcher(minutes=1, clock=Clock(log))
    with pytest.raises(Interrupted, match="time is up.*same command") as caught:
        launcher.run(script, log)
    assert caught.value.exit_code == 143
    assert log.read_text().splitlines() == ["ready", "kept its step"]
    with pytest.raises(ChildProcessError):  # There is none any more.
        os.waitpid(-1, os.WNOHANG)
    with pytest.raises(Interrupted):  # Nothing further begins.
        launcher.run(script, log)
    assert log.read_text().count("ready") == 1


def test_without_a_limit_there_is_none():
    assert not Launcher(clock=iter([0.0, 1e9]).__next__).over


def test_a_signal_is_handed_on(script, log):
    def send() -> None:
        while not ready(log):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=send)
    thread.start()
    with pytest.raises(Interrupted, match="SIGTERM") as caught:
        Launcher().run(script, log)
    thread.join()
    assert caught.value.exit_code == 143
    assert "kept its step" in log.read_text()


def test_what_was_wanted_is_enough(script, log):
    Launcher().run(script, log, lambda: ready(log))
    assert "kept its step" in log.read_text()


def test_a_failure_is_told_with_its_last_line(tmp_path, log):
    path = tmp_path / "script.py"
    path.write_text("raise SystemExit('error: no memory\\n')")
    with pytest.raises(Failed, match="Received: error: no memory .*log.txt"):
        Launcher().run([str(path), "-"], log)
    path.write_text("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(Failed, match="killed by SIGKILL"):
        Launcher().run([str(path), "-"], log)


def test_processes_have_the_environment(tmp_path, log):
    path = tmp_path / "script.py"
    path.write_text("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    Launcher({"CUDA_VISIBLE_DEVICES": "3,5"}).run([str(path)], log)
    assert log.read_text() == "3,5\n"
