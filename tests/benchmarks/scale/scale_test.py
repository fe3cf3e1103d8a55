"""docs/scale.md: its tables, bytes against arrays of the code, closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import and_tf
from and_tf import encoders
from and_tf.augmentation import ViewConfig
from and_tf.data.pipeline import order_of_epoch
from and_tf.search import blockwise, cell_index
from and_tf.search.nearest import nearest
from and_tf.search.reservoir import Reservoir
from benchmarks import registry
from benchmarks.harness import record
from benchmarks.scale import hours, page, sizes
from benchmarks.speed import imagenet
from tests.conftest import unit

N, D, K = 40, 16, 3


@pytest.fixture(scope="module")
def files():
    found = record.read_all(record.RESULTS / "speed", registry.BY_NAME)
    return {file["name"]: file for file in found}


def test_the_page_has_the_tables_that_are_computed():
    text = page.PATH.read_text("utf-8")
    assert page.filled(text) == text, "Run python -m benchmarks.scale."
    for name in ("bytes", "bank", "limits", "hours", "cost"):
        assert f"<!-- {name} -->" in text


def test_bytes_are_those_of_a_model():
    encoder = encoders.build("small", 8, embedding_dim=D)
    model = and_tf.AND(encoder, N, neighbourhood_size=K)
    rows, neighbours, anchors = (
        np.asarray(v).nbytes for v in model.method_variables
    )
    assert rows == sizes.bank(N, D)
    assert neighbours == sizes.neighbours(N, K)
    assert anchors == sizes.anchors(N)
    assert rows + neighbours + anchors == sizes.checkpoint(N, D, K)


def test_bytes_are_those_of_an_epoch():
    order = order_of_epoch(0, np.int64(0), N).numpy()
    assert order.nbytes == sizes.ids(N)
    draws = ViewConfig(32).draw(0, np.int64(0), N).numpy()
    assert draws.nbytes == sizes.draws(N)


def test_bytes_are_those_of_searches(rng):
    rows = unit(rng.normal(size=(N, D))).astype(np.float32)
    found = nearest(rows, rows, K, temperature=0.1, exclude_self=True)
    assert sum(array.nbytes for array in found) == sizes.found(N, K)

    kept = Reservoir(np.zeros(N), K + 1)
    state = kept._values.nbytes + kept._index.nbytes
    assert state == sizes.search_state(N, K)

    index = cell_index.Index(rows, rng)
    own = (index._sorted, index._order, index._place, index._weights)
    held = sum(np.asarray(each).nbytes for each in own)
    assert held == sizes.cells(N, D)


def test_limits_are_the_largest_that_fit():
    assert sizes.largest(lambda n: 3 * n <= 100) == 33
    first = min(n for n, *_ in sizes.limits())
    assert sizes.search_state(first) <= blockwise.STATE_BYTES
    assert sizes.search_state(first + 1) > blockwise.STATE_BYTES


def test_hours_of_cores_pass_through_what_was_measured(files):
    step = min(files["growth_step"]["cases"][-1]["sides"][0]["figures"])
    million = hours.of_cores(10**6, files)
    spent = (million.network + million.loss) * 3600
    assert spent == pytest.approx(10**6 / hours.BATCH * step / 1e3)
    count, seconds = hours.refresh_seconds(files)
    found = hours.of_cores(count, files).exact
    assert count == 100_000
    assert found == pytest.approx(seconds / 3600)
    assert million.in_cells * 3600 == pytest.approx(hours.IN_CELLS)
    # Twice as many rows are four times the work, and twice that where a
    # product serves one row alone.
    small, large = (hours.of_cores(n, files).exact for n in (4e6, 8e6))
    assert large == pytest.approx(8 * small)


def test_hours_of_a_gpu_are_those_of_its_products(files):
    shares = imagenet.efficiencies(list(files.values()))
    found = hours.of_gpu(10**9, files)
    n, d = 1e9, 128
    assert found.loss * 3600 == pytest.approx(
        4 * n * n * d / shares["loss"] / 1e14
    )
    assert found.sampled * 3600 == pytest.approx(
        4 * n * 8192 * d / shares["loss"] / 1e14
    )
    assert found.exact * 3600 == pytest.approx(
        2 * n * n * d / shares["search"] / 1e14
    )
    assert found.embed == pytest.approx(found.network / 3)
    # 4 √N cells, 16 of them searched, a sample, and k-means on 64 rows a cell.
    c = 4 * n**0.5
    products = n * (c + 16 * n / c + 16384) + 10 * 64 * c * c
    assert found.in_cells * 3600 == pytest.approx(
        2 * d * products / 1e14, rel=1e-4
    )


def test_figures_stand_where_the_page_says(files):
    root = page.PATH.parents[1]
    rate = f"{hours.EMBEDDED:,}"
    assert f"| {rate} |" in (root / hours.EMBEDDED_PAGE).read_text("utf-8")
    cells = f"| {hours.IN_CELLS_ROWS:,} | 16 of 4,000 | {hours.IN_CELLS} |"
    assert cells in (root / hours.IN_CELLS_PAGE).read_text("utf-8")
    text = page.PATH.read_text("utf-8")
    assert f"{rate} images a second" in text
    seconds = hours.of_gpu(10**9, files).embed * 3600
    speed = 10**9 * sizes.FILE_BYTES / seconds
    assert f"{speed / 1e9:.1f} GB of files a second" in text
    for price in (hours.GPU_HOUR, hours.TB_MONTH):
        assert f" {price:g} a " in text
    assert f"{hours.MILLION_READS:.2f} for a million reads" in text
    titles = {file["title"] for file in files.values()}
    speed_page = (record.HERE / "SPEED.md").read_text("utf-8")
    for title in (
        "Memory against N", "A step against N", "A refresh against N and k",
    ):  # fmt: skip
        assert title in titles and f'"{title}"' in " ".join(text.split())
        assert f"## {title}" in speed_page
