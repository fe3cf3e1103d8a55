"""Runs a batch of inputs in a child process that may fail in any way.

The child has limits of memory and time. Where it dies of one, or crashes, the
batch is run again with a child for every single input, so that the search can
go on after a death and make the input smaller.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pickle
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity

from tests.fuzz.target import Maker, Target

MEMORY = 3 * 2**30  # Bytes that a child may have beside what it begins with.
SECONDS = 60  # For one input, on a machine with other work.
_QUIET_SECONDS = 600  # Between two inputs, while the next is drawn.
PROJECT = ("and_tf", "export", "tests.fuzz")
_IN_CHILD = "in_child"  # An attribute with where in a child it was raised.
_SEARCH = "target.check(value)\n"  # The line in a trace where it ends.
_MEANINGS = {
    "SIGALRM": ": too much time for one input",
    "SIGKILL": ": perhaps too much memory",
}


class DiedError(Exception):
    """A child process died of a signal; the message says of which."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """An input whose answer was neither right nor one sentence.

    Attributes:
        target: The target's name.
        seed: Of the batch, in which it is found again.
        value: The `repr` of the smallest input that was found.
        error: The exception in a line.
        place: The innermost function of the project that was at work.
        trace: The exception with its trace.
    """

    target: str
    seed: int
    value: str
    error: str
    place: str
    trace: str


@dataclasses.dataclass(frozen=True)
class Batch:
    """What came of a batch.

    Attributes:
        tried: How many inputs.
        finding: The first input whose answer was wrong, if there is one.
    """

    tried: int
    finding: Finding | None = None


@dataclasses.dataclass(frozen=True)
class _How:
    """How inputs are tried.

    Attributes:
        seconds: For one input.
        alone: Whether each is tried in a child of its own.
        shrinks: Whether the input of a finding is made smaller.
    """

    seconds: int
    alone: bool = False
    shrinks: bool = True


def run(
    name: str, make: Maker, seed: int, examples: int, seconds: int = SECONDS
) -> Batch:
    """Tries a batch of inputs on a target.

    Args:
        name: The target's.
        make: Makes the target, in the child.
        seed: Decides all inputs.
        examples: How many inputs to try.
        seconds: The most that one may take.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as path:
        # A target that gives up root's rights may look into it too.
        os.chmod(path, 0o755)

        def search(how: _How) -> Batch:
            target = make(pathlib.Path(path))
            return _search(name, target, seed, examples, how)

        try:
            how = _How(seconds)
            return _in_child(lambda: search(how), how)
        except DiedError as error:
            # To make it smaller would mean to wait for one input after another.
            hangs = str(error).startswith("SIGALRM")
            how = _How(seconds, alone=True, shrinks=not hangs)
            return _in_child(lambda: search(how), None)


def _search(
    name: str, target: Target, seed: int, examples: int, how: _How
) -> Batch:
    """Tries inputs in this process, or each alone in a child of its own."""
    tried, last = 0, None

    def check(value: Any) -> None:
        nonlocal tried, last
        tried, last = tried + 1, value
        if how.alone:
            _in_child(lambda: target.check(value), how)
            return
        with _on_time(how.seconds):
            try:
                target.check(value)
            except SystemExit as error:
                raise RuntimeError(f"SystemExit: {error}") from error

    try:
        _given(target, check, seed, examples, how.shrinks)
    except Exception as error:
        return Batch(tried, _finding(name, seed, last, error))
    return Batch(tried)


def _given(
    target: Target,
    test: Callable[[Any], None],
    seed: int,
    examples: int,
    shrinks: bool,
) -> None:
    """Draws inputs; raises what the smallest one that fails raises."""
    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
        verbosity=Verbosity.quiet,
    )
    given = hypothesis.given(target.inputs)
    settings(hypothesis.seed(seed)(given(test)))()


def _finding(name: str, seed: int, value: Any, error: Exception) -> Finding:
    place, trace = getattr(error, _IN_CHILD, None) or _where(error)
    first = str(error).strip().partition("\n")[0]
    words = f"{type(error).__name__}: {first[:300]}"
    return Finding(name, seed, repr(value), words, place, trace)


def _where(error: BaseException) -> tuple[str, str]:
    """The place and the trace of a finding, without the search's own part."""
    trace = "".join(traceback.format_exception(error))
    return _place(error), trace.rpartition(_SEARCH)[2]


def _place(error: BaseException) -> str:
    """The innermost function of the project that was at work."""
    place, step = "nowhere", error.__traceback__
    while step is not None:
        frame = step.tb_frame
        module = frame.f_globals.get("__name__", "")
        if module.startswith(PROJECT) and module != __name__:
            place = f"{module}.{frame.f_code.co_qualname}"
        step = step.tb_next
    return place


def _in_child(work: Callable[[], Any], limits: _How | None) -> Any:
    """Runs something in a forked process, and returns what it returns.

    Args:
        work: Returns what can be pickled, or raises.
        limits: Of the child's time until its first input, or for its only
            one; its memory is bounded too. None sets no limits.

    Raises:
        DiedError: If the child is killed by a signal.
        Exception: What `work` raises.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        _be_child(work, writer, limits)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if not content:
        code = os.waitstatus_to_exitcode(status)
        died = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise DiedError(f"{died}{_MEANINGS.get(died, '')}")
    value, error = pickle.loads(content)
    if error is not None:
        raise error
    return value


def _be_child(
    work: Callable[[], Any], writer: int, limits: _How | None
) -> None:
    """Does the work in a child process, which ends here in any case."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # Kills.
    _without_output()
    value = error = None
    try:
        if limits:
            _limit_memory()
            with _on_time(limits.seconds):
                value = work()
        else:
            value = work()
    except BaseException as raised:
        error = _portable(raised)
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(pickle.dumps((value, error)))
    os._exit(0)


def _portable(error: BaseException) -> Exception:
    """An exception as it can be given to the parent process."""
    try:
        setattr(error, _IN_CHILD, _where(error))
        pickle.loads(pickle.dumps(error))
        if isinstance(error, Exception):
            return error
    except Exception:  # Many exceptions can be pickled, but not read again.
        pass
    other = RuntimeError(f"{type(error).__name__}: {error}")
    setattr(other, _IN_CHILD, _where(error))
    return other


def _without_output() -> None:
    """Keeps what libraries and the project say of bad input off the screen."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def _limit_memory() -> None:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextlib.contextmanager
def _on_time(seconds: int) -> Iterator[None]:
    """Has the process killed where the block takes longer."""
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(_QUIET_SECONDS)
