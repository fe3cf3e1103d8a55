"""What is found below a folder, and what is left out."""

from __future__ import annotations

import os
import pathlib
import socket

import pytest

from and_tf.data import walking


def _touch(root: pathlib.Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def _found(root: pathlib.Path) -> tuple[list[str], dict[str, str]]:
    found = walking.walk(str(root))
    return ["/".join(parts) for parts in found.images], dict(found.skipped)


def test_images_are_in_sorted_order(tmp_path):
    names = [
        "a/1.jpg",
        "a/b/2.JFIF",
        "a/c.png",
        "a-b/3.ppm",
        "b.jpg",
        "b/4.gif",
    ]
    _touch(tmp_path, *names, "notes.txt", ".hidden.png", ".git/5.png")
    _touch(tmp_path, "__MACOSX/a/6.png")
    # Folders and files among each other, by their names.
    expected = ["a/1.jpg", "a/b/2.JFIF", "a/c.png", "a-b/3.ppm"]
    assert _found(tmp_path) == ([*expected, "b/4.gif", "b.jpg"], {})


def test_links_pipes_and_circles_are_left_out_and_named(tmp_path):
    _touch(tmp_path, "a/1.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.symlink("itself.png", tmp_path / "itself.png")
    os.symlink("nowhere", tmp_path / "dangling.png")
    os.symlink("nowhere", tmp_path / "dangling.txt")
    os.symlink(tmp_path, tmp_path / "a/up")
    os.symlink("1.png", tmp_path / "a/2.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.png"))
        images, skipped = _found(tmp_path)
    assert images == ["a/1.png", "a/2.png"]  # A link to a file is an image.
    assert skipped == {
        "a/up": "that are links to folders that are read already",
        "dangling.png": "that are links to nothing",
        "itself.png": "that are links to nothing",
        "pipe.jpg": "that are no ordinary files",
        "s.png": "that are no ordinary files",
    }


@pytest.mark.parametrize(
    "marks",
    [
        ("flags.cfg", "checkpoints/x"),
        ("table.md", "table.csv", "plot.png"),
        ("images.parquet", "explore.json", "page/sprites/0.jpg"),
    ],
)
def test_what_commands_leave_behind_is_no_data(tmp_path, marks):
    _touch(tmp_path, "cat/1.png", *(f"runs/x/{mark}" for mark in marks))
    _touch(tmp_path, "runs/x/curves.png", "runs/y/2.png")
    images, skipped = _found(tmp_path)
    assert images == ["cat/1.png", "runs/y/2.png"]
    assert list(skipped) == ["runs/x"]
    assert "directories of results" in skipped["runs/x"]
