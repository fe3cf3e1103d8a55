"""Loads: clients at once, closed forms of their figures, a small SavedModel."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

from benchmarks.load import closed_loop, page
from benchmarks.speed import sides
from tests.export import stand_in


@pytest.mark.parametrize("clients", [1, 4])
def test_clients_ask_at_once_and_together_as_often_as_told(clients):
    # A barrier opens only for as many threads as there are clients.
    barrier, asked = threading.Barrier(clients, timeout=60), []

    def ask():
        barrier.wait()
        asked.append(threading.get_ident())

    wall, latencies = closed_loop.drive(ask, clients, 3 * clients)
    assert len(asked) == len(latencies) == 3 * clients
    assert len(set(asked)) == clients
    assert 0 < latencies.max() <= wall <= latencies.sum() + wall


def test_an_error_of_a_request_is_not_lost():
    with pytest.raises(ZeroDivisionError):
        closed_loop.drive(lambda: 1 / 0, 2, 4)


def test_figures_are_those_of_the_latencies():
    latencies = np.arange(1, 102) / 1e3  # 1 to 101 ms.
    found = closed_loop.summary(2.02, latencies, batch=8)
    assert found == {
        "requests": 101,
        "images_per_second": pytest.approx(400),
        "p50": pytest.approx(51),
        "p95": pytest.approx(96),
        "p99": pytest.approx(100),
    }
    few = closed_loop.summary(1.0, latencies[:50], batch=1)
    assert few["p95"] is not None and few["p99"] is None


def test_a_model_is_measured_and_told(tmp_path, monkeypatch, capsys):
    # TensorFlow runs here already, so that its threads cannot be changed.
    monkeypatch.setattr(sides, "start_tensorflow", lambda threads: None)
    rows = closed_loop.measure(
        str(stand_in.saved_model(tmp_path / "model")),
        ["serving_default"],
        [1, 3],
        [1, 2],
        seconds=0.01,
        threads=2,
        side=stand_in.SIZE,
        file_side=16,
    )
    assert [(r["batch"], r["clients"]) for r in rows] == [
        (1, 1), (1, 2), (3, 1), (3, 2),
    ]  # fmt: skip
    assert all(row["images_per_second"] > 0 for row in rows)
    assert "serving_default, 3 images, 2 clients" in capsys.readouterr().err
    file = {
        "encoder": "small", "image_size": 8, "file_side": 16,
        "file_bytes": 1234, "threads": 2, "load": 0.1, "date": "2026-11-28",
        "machine": {"processor": "P", "cores": 2}, "versions": {"numpy": "2"},
        "command": "python -m benchmarks.load",
        "rows": [{**rows[0], "p50": 1.5, "p99": None}],
    }  # fmt: skip
    text = page.render([file])
    (row,) = (
        line for line in text.splitlines() if "`serving_default` |" in line
    )
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:3] == ["`serving_default`", "1", "1"]
    assert (cells[4], cells[6]) == ("1.50", "")
    assert "1,234 bytes" in text and "2 cores of P, load 0.1" in text


def test_files_are_jpeg_of_the_size_that_is_told():
    (image,) = closed_loop.pictures(1, 24)
    with Image.open(io.BytesIO(closed_loop.encoded(image))) as read:
        assert (read.format, read.size) == ("JPEG", (24, 24))
