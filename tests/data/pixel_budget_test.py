"""Decoders that wait for room, told by events and never by time."""

from __future__ import annotations

import threading

import pytest

from and_tf.data.pixel_budget import PixelBudget


class _Decoder(threading.Thread):
    """A thread that takes pixels, and gives them back when it is told to."""

    def __init__(self, budget: PixelBudget, pixels: int) -> None:
        super().__init__(daemon=True)
        self._budget, self._pixels = budget, pixels
        self.entered, self.leave = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with self._budget.taken(self._pixels):
            self.entered.set()
            assert self.leave.wait(60)

    def end(self) -> None:
        assert self.entered.wait(60)
        self.leave.set()
        self.join(60)
        assert not self.is_alive()


def test_what_fits_is_let_in_beside_others():
    budget = PixelBudget(10)
    decoders = [_Decoder(budget, 5) for _ in range(2)]
    assert all(decoder.entered.wait(60) for decoder in decoders)
    for decoder in decoders:
        decoder.end()


def test_never_more_is_in_flight_than_allowed():
    budget, in_flight, most = PixelBudget(10), 0, 0
    lock = threading.Lock()

    def work(pixels: int) -> None:
        nonlocal in_flight, most
        for _ in range(50):
            with budget.taken(pixels):
                with lock:
                    in_flight += pixels
                    most = max(most, in_flight)
                with lock:
                    in_flight -= pixels

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 3, 4, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert 7 <= most <= 10


def test_one_that_is_larger_than_all_is_let_in_alone():
    budget = PixelBudget(10)
    small = _Decoder(budget, 1)
    assert small.entered.wait(60)
    large = _Decoder(budget, 100)
    small.end()
    assert large.entered.wait(60)
    after = _Decoder(budget, 1)
    large.end()
    after.end()


def test_room_is_given_back_where_decoding_fails():
    budget = PixelBudget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), budget.taken(10):
            raise ValueError("broken")
    with budget.taken(10):
        pass
