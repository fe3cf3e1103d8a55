"""Work that is lost is done again, and no row is lost or there twice."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from export.beam import images, neighbour_pipeline
from tests import mains
from tests.export import stand_in

ROOT = pathlib.Path(__file__).parents[3]
COUNT = 40


@pytest.fixture
def place(tmp_path) -> pathlib.Path:
    (tmp_path / "photos").mkdir()
    for number, pixels in enumerate(stand_in.images(COUNT)):
        Image.fromarray(pixels).save(tmp_path / f"photos/{number:02}.png")
    stand_in.saved_model(tmp_path / "model")
    return tmp_path


def names(place: pathlib.Path, table: str) -> list[str]:
    """Returns the names in all files of a table, sorted."""
    return sorted(
        name
        for path in place.glob(f"{table}-*-of-*.parquet")
        for name in pq.read_table(path)["file_name"].to_pylist()
    )


WHOLE = [f"{number:02}.png" for number in range(COUNT)]


def dying(method, calls: list[int], at: int):
    """Makes a method of a DoFn that raises in one of its calls."""

    def process(self, element):
        calls.append(1)
        yield from method(self, element)
        if len(calls) == at:
            raise OSError("a worker has died after it gave its result")

    return process


def test_a_bundle_that_fails_once_is_done_again(place, monkeypatch):
    """By Beam's local runner that repeats bundles, as those of clusters do."""
    calls, more = [], []
    read = dying(images.Decode.process, calls, at=17)
    compare = dying(neighbour_pipeline._Compare.process, more, at=3)
    monkeypatch.setattr(images.Decode, "process", read)
    monkeypatch.setattr(neighbour_pipeline._Compare, "process", compare)
    flags = ["--shards=3", "--runner=BundleBasedDirectRunner"]
    mains.run(
        "export.beam.embed",
        [
            f"--model={place}/model",
            f"--images={place}/photos",
            f"--output={place}/e",
            *flags,
        ],
    )
    assert len(calls) > COUNT
    assert names(place, "e") == WHOLE
    mains.run(
        "export.beam.neighbours",
        [f"--index={place}/e", f"--output={place}/n", *flags],
    )
    groups = [
        pq.ParquetFile(p).num_row_groups for p in place.glob("e-*.parquet")
    ]
    assert len(more) > sum(groups) * len(groups)
    assert names(place, "n") == WHOLE


# Beam's workers are processes that run this module; the first of them that
# compares the first block is killed.
_KILLS = """
import os, signal, sys

if any("sdk_worker_main" in argument for argument in sys.orig_argv):
    from export.beam import neighbour_pipeline

    compare = neighbour_pipeline._Compare.process

    def process(self, element):
        yield from compare(self, element)
        if not os.path.exists(MARK):
            open(MARK, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

    neighbour_pipeline._Compare.process = process
"""


def test_a_killed_process_leaves_no_table_and_the_next_call_makes_it(place):
    """By processes of this machine, whose runner does not repeat their work."""
    rows = pa.table({
        "file_name": WHOLE,
        "embedding": list(stand_in.embed(stand_in.images(COUNT)).astype("f4")),
    })  # fmt: skip
    pq.write_table(rows, place / "e.parquet", row_group_size=10)
    code = _KILLS.replace("MARK", repr(str(place / "killed")))
    (place / "sitecustomize.py").write_text(code)
    flags = [f"--index={place}/e.parquet", f"--output={place}/n"]
    several = "--direct_running_mode=multi_processing", "--direct_num_workers=2"
    ended = subprocess.run(
        [sys.executable, "-m", "export.beam.neighbours", *flags, *several],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)]),
        },
        capture_output=True,
        text=True,
    )
    assert (place / "killed").exists()
    assert ended.returncode == 1 and "error: Expected" in ended.stderr
    assert names(place, "n") == []
    mains.run("export.beam.neighbours", flags)
    assert names(place, "n") == WHOLE
