"""What is fetched is what the store has, whatever the network does."""

from __future__ import annotations

import os
import pathlib

import pytest

from and_tf import storage
from and_tf.storage import store
from and_tf.utils.errors import InputError
from tests.storage.servers import after, breaks, stalls

PHOTOS = "s3://bucket/photos"


def tree(root: str) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in pathlib.Path(root).rglob("*")
        if path.is_file()
    }


def test_a_folder_comes_whole_and_what_can_be_no_file_stays(s3, capsys):
    content = {f"cat/{i} ä #%.png": os.urandom(100 + i) for i in range(20)}
    for name, data in content.items():
        s3.pipe_file(f"bucket/photos/{name}", data)
    s3.pipe_file("bucket/photos2/other.png", b"of another folder")
    client = s3.call_s3
    for key in ("photos/", "photos/cat/", "photos/../../evil", "photos/a//b"):
        client("put_object", Bucket="bucket", Key=key, Body=b"")
    root = storage.fetched(PHOTOS)
    assert tree(root) == content
    assert os.path.basename(root) == "photos"
    assert "left out 2 of s3://bucket/photos" in capsys.readouterr().out
    # Of one object, the file has its name.
    one = storage.fetched(f"{PHOTOS}/cat/3 ä #%.png")
    assert pathlib.Path(one).read_bytes() == content["cat/3 ä #%.png"]
    assert one.endswith("/3 ä #%.png")
    wanted = [f"{PHOTOS}/cat/1 ä #%.png", "s3://bucket/none/x.png"]
    found = storage.fetched_files([*wanted, f"{PHOTOS}/cat/2 ä #%.png"])
    assert found[1] is None
    assert pathlib.Path(found[0]).read_bytes() == content["cat/1 ä #%.png"]


def test_nothing_is_fetched_twice_but_what_has_changed(s3, proxy):
    for name in "abc":
        s3.pipe_file(f"bucket/photos/{name}.png", name.encode())
    before = storage.fetched(PHOTOS)
    proxy.served.clear()
    assert storage.fetched(PHOTOS) == before
    assert not [path for path in proxy.served if path.endswith(".png")]
    s3.pipe_file("bucket/photos/b.png", b"another")
    s3.rm_file("bucket/photos/c.png")
    proxy.served.clear()
    now = storage.fetched(PHOTOS)
    fetched = [path for path in proxy.served if path.endswith(".png")]
    assert fetched == ["GET /bucket/photos/b.png"]
    assert tree(now) == {"a.png": b"a", "b.png": b"another"}
    # Who reads the earlier one goes on with it.
    assert tree(before) == {"a.png": b"a", "b.png": b"b", "c.png": b"c"}


@pytest.mark.parametrize("fault", [breaks, stalls])
def test_a_network_that_fails_is_asked_again(s3, proxy, fault, monkeypatch):
    monkeypatch.setattr(store, "READ", 0.5)
    s3.clear_instance_cache()
    content = {f"{i}.png": os.urandom(200_000) for i in range(4)}
    for name, data in content.items():
        s3.pipe_file(f"bucket/photos/{name}", data)
    proxy.faults["photos/2.png"] = [fault, fault]
    assert tree(storage.fetched(PHOTOS)) == content
    assert not proxy.faults["photos/2.png"]


def test_a_network_that_stays_down_ends_in_a_sentence(
    s3, proxy, monkeypatch, cache
):
    monkeypatch.setattr(store, "TRIES", 2)
    for name in ("a", "b"):
        s3.pipe_file(f"bucket/photos/{name}.png", bytes(100_000))
    proxy.faults["photos/b.png"] = [breaks] * 100
    with pytest.raises(InputError, match=r"b.png cannot be reached.* is kept"):
        storage.fetched(PHOTOS)
    # Half of an object is left nowhere, and there is no snapshot.
    kept = [p for p in (cache / "objects").rglob("*") if p.is_file()]
    assert all(path.read_bytes() == bytes(100_000) for path in kept)
    assert not [p for p in (cache / "snapshots").iterdir() if p.is_dir()]
    proxy.faults.clear()
    assert len(tree(storage.fetched(PHOTOS))) == 2


def test_an_object_that_changes_meanwhile_is_fetched_again(s3, proxy, capsys):
    for name in "ab":
        s3.pipe_file(f"bucket/photos/{name}.png", b"old " + name.encode())

    def change() -> None:
        s3.pipe_file("bucket/photos/a.png", b"a new one")

    # While b is read, a changes, whether it was read before or not.
    proxy.faults["GET /bucket/photos/b.png"] = [after(change)]
    root = storage.fetched(PHOTOS)
    assert tree(root) == {"a.png": b"a new one", "b.png": b"old b"}
    assert "changed while they were fetched" in capsys.readouterr().out


def test_what_changes_always_ends_in_a_sentence(s3, proxy):
    s3.pipe_file("bucket/photos/a.png", b"0")
    count = iter(range(100))

    def change() -> None:
        s3.pipe_file("bucket/photos/a.png", b"x" * next(count))

    proxy.faults["GET /bucket/photos/a.png"] = [after(change)] * 9
    with pytest.raises(InputError, match="stay as it is while it is fetched"):
        storage.fetched(PHOTOS)


def test_what_is_not_there_or_not_allowed_is_a_sentence(s3, monkeypatch):
    for url in ("s3://bucket/none", "s3://no-such-bucket/x"):
        with pytest.raises(InputError, match=f"{url} to be there"):
            storage.fetched(url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    s3.clear_instance_cache()
    with pytest.raises(InputError, match="Expected credentials .* Set AWS_ACC"):
        storage.fetched(PHOTOS)


def test_a_client_that_is_missing_is_a_sentence(monkeypatch):
    import fsspec

    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(InputError, match=r"gcsfs, .* pip install '.\[stores]'"):
        storage.fetched("gs://bucket/x")


def test_a_cache_that_cannot_be_made_is_a_sentence(s3, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    s3.pipe_file("bucket/photos/a.png", b"a")
    with pytest.raises(InputError, match="Set XDG_CACHE_HOME"):
        storage.fetched(PHOTOS)
