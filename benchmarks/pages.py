"""Write the pages of this directory from the files of figures.

RESULTS.md has trained runs beside what was published, SPEED.md this project
beside others, GPU.md what cards gave, LOAD.md an exported model under load,
PEERS.md instance learning beside other methods.
Whatever adds figures writes its pages anew; tests hold the committed pages to
the committed figures.
"""

from __future__ import annotations

import pathlib

from and_tf.utils import atomic_files
from benchmarks import registry, result_files, results_page
from benchmarks.gpu import page as gpu_page
from benchmarks.harness import record
from benchmarks.load import page as load_page
from benchmarks.paper import paper_rows
from benchmarks.peers import page as peers_page
from benchmarks.peers import plot as peers_plot
from benchmarks.speed import page as speed_page
from benchmarks.speed import plot


def results_text(results: pathlib.Path) -> str:
    """Return RESULTS.md, from the directory of result files."""
    return results_page.render(paper_rows(), result_files.read_all(results))


def gpu_text(results: pathlib.Path) -> str:
    """Return GPU.md, from the directory of result files."""
    cards = record.read_all(results / "gpu")
    return gpu_page.render(cards, result_files.read_all(results))


def speed_text(place: pathlib.Path) -> str:
    """Return SPEED.md, from the directory of comparisons' files."""
    return speed_page.render(record.read_all(place, registry.BY_NAME))


def load_text(place: pathlib.Path) -> str:
    """Return LOAD.md, from the directory of loads' files."""
    return load_page.render(record.read_all(place))


def peers_text(place: pathlib.Path) -> str:
    """Return PEERS.md, from the directory of trainings' files."""
    return peers_page.render(record.read_all(place))


SPEED = record.RESULTS / "speed"
LOAD = record.RESULTS / "load"
PEERS = record.RESULTS / "peers"
PAGES = {
    "RESULTS.md": (results_text, record.RESULTS),
    "GPU.md": (gpu_text, record.RESULTS),
    "SPEED.md": (speed_text, SPEED),
    "LOAD.md": (load_text, LOAD),
    "PEERS.md": (peers_text, PEERS),
}


def write(
    name: str,
    results: pathlib.Path | None = None,
    page: pathlib.Path | None = None,
) -> None:
    """Write a page, with its picture beside it if it has one, and say so.

    Args:
        name: A key of `PAGES`.
        results: The directory of its figures. Defaults to the project's own.
        page: The file that is written. Defaults to the project's own.
    """
    render, place = PAGES[name]
    place, page = results or place, page or record.HERE / name
    atomic_files.write_text(page, render(place))
    print(f"wrote {page}")
    if name == "SPEED.md":
        picture = page.with_name("speed.png")
        if plot.draw(record.read_all(place, registry.BY_NAME), picture):
            print(f"wrote {picture}")
    if name == "PEERS.md":
        found = record.read_all(place)
        for picture in peers_plot.draw_all(found, page.parent):
            print(f"wrote {picture}")
