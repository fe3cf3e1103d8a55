"""An object store for each test, empty, behind a network without faults."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
import s3fs

from tests.storage import servers


@pytest.fixture(scope="session")
def store_and_proxy() -> Iterator[tuple[str, servers.Proxy]]:
    with servers.running() as running:
        yield running


@pytest.fixture
def proxy(store_and_proxy) -> Iterator[servers.Proxy]:
    proxy = store_and_proxy[1]
    proxy.faults.clear()
    proxy.served.clear()
    proxy.released.clear()
    yield proxy
    proxy.released.set()


@pytest.fixture
def s3(proxy, monkeypatch, tmp_path) -> s3fs.S3FileSystem:
    """A client that looks past this project; its bucket is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = servers.connect(monkeypatch, proxy.url)
    if files.exists(servers.BUCKET):
        files.rm(servers.BUCKET, recursive=True)
    files.mkdir(servers.BUCKET)
    return files


@pytest.fixture
def cache(tmp_path) -> pathlib.Path:
    return tmp_path / "cache" / "and_tf_stores"
