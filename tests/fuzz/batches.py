"""Runs a batch of inputs in a child process that may fail in any way.

The child has limits of memory and time. If it exceeds one or crashes, the batch
is run again with a new child for every input, so that the search can continue
after a death and make the input smaller.
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

MEMORY = 3 * 2**30  # Bytes that a child may allocate after its start.
SECONDS = 60  # The limit for one input, on a machine that does other work.
_QUIET_SECONDS = 600  # The limit between two inputs, to draw the next one.
PROJECT = ("and_tf", "export", "tests.fuzz")
_IN_CHILD = "in_child"  # Attribute of an exception: its place in the child.
_SEARCH = "target.check(value)\n"  # The last line of the search in a trace.
_MEANINGS = {
    "SIGALRM": ": too much time for one input",
    "SIGKILL": ": perhaps too much memory",
}


class DiedError(Exception):
    """An error for a child process that died before it answered."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """An input whose answer was neither right nor an error of one sentence.

    Attributes:
        target: The name of the target.
        seed: The random seed of the batch, which repeats the finding.
        value: The `repr` of the smallest input that was found.
        error: The type and message of the exception, in one line.
        place: The innermost function of the project in the trace.
        trace: The trace of the exception.
    """

    target: str
    seed: int
    value: str
    error: str
    place: str
    trace: str


@dataclasses.dataclass(frozen=True)
class Batch:
    """The result of a batch.

    Attributes:
        tried: The number of inputs that were tried.
        finding: The input whose answer was wrong; None if there is no such
            input.
    """

    tried: int
    finding: Finding | None = None


@dataclasses.dataclass(frozen=True)
class _How:
    """The way in which inputs are tried.

    Attributes:
        seconds: The time limit for one input, in seconds.
        alone: Whether each input is tried in a child of its own.
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
        name: The name of the target.
        make: A function that makes the target; it is called in the child.
        seed: The random seed, which determines all inputs.
        examples: The number of inputs to try.
        seconds: The time limit for one input, in seconds.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as path:
        # Targets that give up root's rights need to read the directory too.
        os.chmod(path, 0o755)

        def search(how: _How) -> Batch:
            target = make(pathlib.Path(path))
            return _search(name, target, seed, examples, how)

        try:
            how = _How(seconds)
            return _in_child(lambda: search(how), how)
        except DiedError as error:
            # A hang is not made smaller: each try could take the full time.
            hangs = str(error).startswith("SIGALRM")
            how = _How(seconds, alone=True, shrinks=not hangs)
            return _in_child(lambda: search(how), None)


def _search(
    name: str, target: Target, seed: int, examples: int, how: _How
) -> Batch:
    """Tries inputs in this process, or each in a child of its own."""
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
    """Draws inputs; raises the exception of the smallest one that fails."""
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
    """Returns the place and trace of an error, without the search's part."""
    trace = "".join(traceback.format_exception(error))
    return _place(error), trace.rpartition(_SEARCH)[2]


def _place(error: BaseException) -> str:
    """Returns the innermost function of the project in an error's trace."""
    place, step = "nowhere", error.__traceback__
    while step is not None:
        frame = step.tb_frame
        module = frame.f_globals.get("__name__", "")
        if module.startswith(PROJECT) and module != __name__:
            place = f"{module}.{frame.f_code.co_qualname}"
        step = step.tb_next
    return place


def _in_child(work: Callable[[], Any], limits: _How | None) -> Any:
    """Runs a function in a forked process, and returns its result.

    Args:
        work: A function that returns a value that can be pickled, or raises.
        limits: The child's time limit until its first input, or for its only
            one. Its memory is limited too. None sets no limits.

    Raises:
        DiedError: If the child dies before it answers.
        Exception: If `work` raises it.
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
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # The default kills it.
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
    """Returns an exception that can be pickled for the parent process."""
    try:
        setattr(error, _IN_CHILD, _where(error))
        pickle.loads(pickle.dumps(error))
        if isinstance(error, Exception):
            return error
    except Exception:  # Many exceptions can be pickled, but not unpickled.
        pass
    other = RuntimeError(f"{type(error).__name__}: {error}")
    setattr(other, _IN_CHILD, _where(error))
    return other


def _without_output() -> None:
    """Discards the output of libraries and of the project for bad input."""
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
    """Kills the process if the block takes longer than some seconds."""
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(_QUIET_SECONDS)
