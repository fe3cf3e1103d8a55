"""A working copy and its store stay alike, and neither loses what it has."""

from __future__ import annotations

import pathlib

import pytest

from and_tf import storage
from and_tf.storage import WorkingCopy, store
from and_tf.utils.errors import InputError
from tests.storage.servers import drops

RUN = "s3://bucket/runs/a run"


@pytest.fixture
def here(s3) -> pathlib.Path:
    path = storage.place(RUN)
    path.mkdir(parents=True)
    return path


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Goes on as another machine would, with a cache of its own."""

    def go(name: str = "elsewhere") -> pathlib.Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return storage.place(RUN)

    return go


def write(path: pathlib.Path, **texts: str) -> None:
    for name, text in texts.items():
        file = path / name.replace("__", "/").replace("_DOT_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def names(s3) -> list[str]:
    found = s3.find(RUN)
    return sorted(n.removeprefix("bucket/runs/a run/") for n in found)


def test_places_stand_for_urls_and_for_nothing_else(here, tmp_path):
    assert storage.url_of(here) == RUN
    assert storage.url_of(here / "scan" / "x.png") == f"{RUN}/scan/x.png"
    assert storage.url_of(tmp_path) is None
    assert storage.place("runs/x") == pathlib.Path("runs/x")
    assert WorkingCopy.of(tmp_path) is None
    with pytest.raises(InputError, match="without empty parts"):
        storage.place("s3://bucket/../../etc")


def test_what_counts_last_is_sent_last_and_unfinished_never(here, s3, proxy):
    write(here, result_DOT_json="{}", metrics_DOT_csv="epoch", flags_DOT_cfg="")
    write(here, checkpoints__epoch_0001_DOT_npz="1", neighbours_DOT_png="p")
    (here / ".result.json.lock").touch()
    (here / "checkpoints" / ".epoch.00.tmp").write_text("half")
    WorkingCopy(here).push()
    puts = [
        path.rpartition("/")[2]
        for path in proxy.served
        if path.startswith("PUT /bucket/runs/")
    ]
    assert set(puts[:2]) == {"flags.cfg", "neighbours.png"}
    assert set(puts[2:4]) == {"epoch_0001.npz", "metrics.csv"}
    assert puts[4:] == ["result.json"]
    proxy.served.clear()
    WorkingCopy(here).push()
    assert not [path for path in proxy.served if path.startswith("PUT")]


def test_each_side_takes_over_what_changed_on_the_other(here, s3, elsewhere):
    write(here, a="1", b="1", checkpoints__epoch_0001_DOT_npz="1")
    WorkingCopy(here).push()
    there = elsewhere()
    WorkingCopy(there).pull()
    assert (there / "checkpoints" / "epoch_0001.npz").read_text() == "1"
    (there / "checkpoints" / "epoch_0001.npz").unlink()
    (there / "a").unlink()  # As who tidies up a cache does.
    write(there, b="22", checkpoints__epoch_0002_DOT_npz="2")
    WorkingCopy(there).push()
    assert names(s3) == ["a", "b", "checkpoints/epoch_0002.npz"]
    here = elsewhere("cache")
    write(here, a="changed here", new="new")  # Before it could be sent.
    copy = WorkingCopy(here)
    copy.pull()
    assert (here / "a").read_text() == "changed here"
    assert (here / "b").read_text() == "22"
    assert (here / "new").is_file()
    checkpoints = [path.name for path in (here / "checkpoints").iterdir()]
    assert checkpoints == ["epoch_0002.npz"]
    copy.push()
    assert s3.cat("bucket/runs/a run/a") == b"changed here"


def test_the_last_writer_goes_on_and_the_one_before_ends(here, s3, elsewhere):
    first = WorkingCopy(here)
    first.take_over()
    write(here, metrics_DOT_csv="1")
    first.push()
    second = WorkingCopy(elsewhere())
    second.pull()
    second.take_over()
    write(second.path, metrics_DOT_csv="22")
    second.push()
    here = elsewhere("cache")
    write(here, metrics_DOT_csv="333")
    for send in (first.push, first.push_or_tell):
        with pytest.raises(InputError, match="another one has taken over"):
            send()
    assert s3.cat("bucket/runs/a run/metrics.csv") == b"22"


def test_a_store_that_is_away_ends_nothing_and_gets_all_later(
    here, s3, proxy, monkeypatch, capsys
):
    monkeypatch.setattr(store, "TRIES", 1)
    copy = WorkingCopy(here)
    write(here, checkpoints__epoch_0001_DOT_npz="1")
    proxy.faults["a%20run/checkpoints/epoch_0001.npz"] = [drops] * 50
    copy.push_or_tell()
    assert "not sent yet" in capsys.readouterr().out
    with pytest.raises(InputError, match="cannot be reached"):
        copy.push()
    proxy.faults.clear()
    copy.push_or_tell()
    assert names(s3) == ["checkpoints/epoch_0001.npz"]


def test_an_output_is_sent_with_what_lies_beside_it(s3, proxy, tmp_path):
    s3.pipe_file("bucket/out/x.json", b"an older one")
    proxy.served.clear()
    with storage.sent(storage.place("s3://bucket/out/x.keras")) as path:
        assert path.with_suffix(".json").read_text() == "an older one"
        write(path.parent, x_DOT_keras="k", x_DOT_json="j", y_DOT_json="other")
    puts = [path for path in proxy.served if path.startswith("PUT")]
    assert puts == ["PUT /bucket/out/x.json", "PUT /bucket/out/x.keras"]
    with pytest.raises(ZeroDivisionError):
        with storage.sent(storage.place("s3://bucket/out/z.npz")) as path:
            write(path.parent, z_DOT_npz="half")
            1 / 0
    assert not s3.exists("bucket/out/z.npz")
    with storage.sent(tmp_path / "x") as path:  # A path of this machine.
        assert path == tmp_path / "x"
