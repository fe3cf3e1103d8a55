"""Bars, times and lines of counted work."""

from __future__ import annotations

import io
import os

import pytest

from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted, bar, duration, standard_error_aside
from tests.screen import Clock, Terminal


def test_on_a_terminal_a_bar_comes_and_goes(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream, clock = Terminal(), Clock()
    with Counted("embed", 2000, 500, stream, clock) as counted:
        clock.now += 5
        counted.advance(500)
        assert stream.screen() == [
            "embed  [===============>              ] 1,000/2,000"
            "      100/s  ETA 0:10"
        ]
        counted.advance(10)  # At once: not drawn.
        assert "1,010" not in stream.getvalue()
    assert stream.screen() == [""]


def test_elsewhere_a_line_comes_at_every_tenth() -> None:
    stream, clock = io.StringIO(), Clock()
    with Counted("embed", 1000, 0, stream, clock) as counted:
        for _ in range(40):
            clock.now += 1
            counted.advance(25)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "embed   100/1,000       25/s  ETA 0:36"
    assert lines[-1] == "embed 1,000/1,000       25/s  ETA 0:00"


def test_short_work_stays_quiet_and_long_work_shows_itself() -> None:
    stream, clock = io.StringIO(), Clock()
    with Counted("embed", 40, 0, stream, clock, quiet=10) as counted:
        for _ in range(4):
            clock.now += 4
            counted.advance(10)
    assert stream.getvalue().splitlines() == [
        "embed 30/40        2/s  ETA 0:04",
        "embed 40/40        2/s  ETA 0:00",
    ]


def test_nothing_to_do_is_no_division_by_zero() -> None:
    stream = Terminal()
    with Counted("embed", 0, stream=stream, clock=Clock()) as counted:
        counted.advance(0)
    assert stream.screen() == [""]


@pytest.mark.parametrize(
    "seconds,text",
    [
        (0, "0:00"),
        (59.6, "1:00"),
        (753, "12:33"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (2 * 86400 + 3 * 3600 + 7, "2 d 3:00:07"),
        (86400 + 5, "1 d 0:00:05"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    "share,width,text",
    [
        (0, 4, "[>   ]"),
        (0.5, 4, "[==> ]"),
        (1, 4, "[====]"),
        (1.5, 4, "[====]"),
        (0.5, 0, ""),
        (0.5, -3, ""),
    ],
)
def test_bar(share: float, width: int, text: str) -> None:
    assert bar(share, width) == text


def test_a_bar_makes_way_for_a_line() -> None:
    stream, clock = Terminal(), Clock()
    with Counted("ask", 10, stream=stream, clock=clock) as counted:
        for _ in range(2):
            clock.now += 1
            counted.advance(5)
            counted.clear()
            assert stream.screen() == [""]


def test_what_libraries_note_is_turned_aside(capfd, monkeypatch) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with standard_error_aside() as shown:
        os.write(2, b"a note\n")
        with standard_error_aside():
            os.write(2, b"another\n")
        print("meant to be seen", file=shown)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "meant to be seen\nafter\n"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError, "a note\n"),
        (SystemExit, "a note\n"),
        (InputError, ""),
        (KeyboardInterrupt, ""),
    ],
)
def test_notes_are_shown_where_they_may_explain(
    capfd, monkeypatch, error, text
) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with pytest.raises(error), standard_error_aside():
        os.write(2, b"a note\n")
        raise error
    assert capfd.readouterr().err == text


def test_notes_are_shown_where_they_are_asked_for(capfd, monkeypatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with standard_error_aside():
        os.write(2, b"a note\n")
    assert capfd.readouterr().err == "a note\n"
