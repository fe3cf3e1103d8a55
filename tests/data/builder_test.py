"""Finding and preparing TFDS' data sets, with tiny ones."""

from __future__ import annotations

import pathlib

import pytest
import requests
import tensorflow_datasets as tfds

from and_tf.data.builder import download, open_builder
from and_tf.utils.errors import InputError
from tests.data import tiny_tfds


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cifar-10", "Did you mean.* cifar10"),
        ("foldr", "Did you mean folder"),
        ("../cifar10", "Received: '../cifar10'"),
        ("mnist_corrupted/nothing", "BuilderConfig nothing not found"),
        ("cifar10:1.0.0", "only: 3.0.2"),
    ],
)
def test_names_that_tfds_does_not_know(
    tmp_path: pathlib.Path, name: str, hint: str
) -> None:
    with pytest.raises(InputError, match=f"Expected a data set.*{hint}"):
        open_builder(name, str(tmp_path), pytest.fail)
    assert not list(tmp_path.iterdir())


def test_the_directory_may_come_from_the_environment(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_tfds.prepare("tiny_grey", tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    builder = open_builder("tiny_grey", None, pytest.fail)
    assert builder.data_dir == str(tmp_path / "tiny_grey" / "1.0.0")


def test_a_directory_without_a_data_set(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tiny_grey" / "1.0.0").mkdir(parents=True)
    with pytest.raises(InputError, match="Remove it"):
        open_builder("tiny_grey", str(tmp_path), lambda _: None)


@pytest.mark.parametrize(
    "content",
    [
        b"null", b"[]", b"{", b"\xff", b'{"splits": 3}', b'{"x": 1}',
        b'{"splits": [{"name": "train", "shardLengths": ["x"]}]}',
    ],
)  # fmt: skip
def test_a_damaged_dataset_info_is_said(
    tmp_path: pathlib.Path, content: bytes
) -> None:
    tiny_tfds.prepare("tiny_grey", tmp_path)
    info = tmp_path / "tiny_grey" / "1.0.0" / "dataset_info.json"
    info.write_bytes(content)
    with pytest.raises(InputError, match="Expected a data set") as caught:
        open_builder("tiny_grey", str(tmp_path), pytest.fail)
    assert "\n" not in str(caught.value)


def test_what_is_not_prepared_is_prepared_once(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_builder("tiny_grey", str(tmp_path), download)
    out, err = capsys.readouterr()
    assert out == "" and f"into {tmp_path}" in err
    builder = open_builder("tiny_grey", str(tmp_path), pytest.fail)
    assert builder.info.splits["train"].num_examples == 8
    assert capsys.readouterr() == ("", "")


def test_without_a_connection_tfds_is_not_asked(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def head(url: str, timeout: float) -> requests.Response:
        raise requests.ConnectionError

    builder = tfds.builder("cifar100", data_dir=tmp_path)
    monkeypatch.setattr(requests, "head", head)
    monkeypatch.setattr(builder, "download_and_prepare", pytest.fail)
    with pytest.raises(InputError, match="no answer from .*--data_dir"):
        download(builder)


def test_a_failure_of_tfds_is_told_on_one_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(download_dir: str | None) -> None:
        raise AssertionError("Files are missing:\n  a.tar\n  b.tar")

    builder = tfds.builder("tiny_grey", data_dir=tmp_path)
    monkeypatch.setattr(builder, "download_and_prepare", fail)
    with pytest.raises(InputError, match=": a.tar b.tar. Give"):
        download(builder)
