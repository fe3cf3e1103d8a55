"""Checkpoints: whole or not at all, and only for what they are of."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile

import keras
import numpy as np
import pytest

from and_tf.method.rounds import Rounds
from and_tf.training.checkpoint import Checkpoint, Checkpoints
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError


@pytest.fixture
def groups(rng):
    return {
        "encoder": [
            keras.Variable(rng.normal(size=(3, 2)), name="kernel"),
            keras.Variable(rng.normal(size=2), name="kernel"),
        ],
        "method": [
            keras.Variable(np.array([True, False]), dtype="bool"),
            keras.Variable(np.array([7, 8]), dtype="int32"),
        ],
    }


def blank(groups):
    return {
        name: [
            keras.Variable(np.zeros(v.shape), dtype=v.dtype) for v in variables
        ]
        for name, variables in groups.items()
    }


def test_restores_each_group_to_the_bit(groups, tmp_path):
    store = Checkpoints(tmp_path / "checkpoints")
    store.save(3, groups, {"history": [{"loss": 1.5}]})
    latest, new = store.latest(), blank(groups)
    assert (latest.epochs, latest.metadata["history"]) == (3, [{"loss": 1.5}])
    for name, variables in new.items():
        latest.restore(name, variables)
        for old, again in zip(groups[name], variables, strict=True):
            np.testing.assert_array_equal(old, again)


def test_a_group_is_read_without_its_model(groups, tmp_path):
    store = Checkpoints(tmp_path)
    store.save(1, groups, {})
    arrays = store.latest().arrays("method")
    assert [array.dtype for array in arrays] == [bool, np.int32]
    for array, variable in zip(arrays, groups["method"], strict=True):
        np.testing.assert_array_equal(array, variable)


def test_keeps_the_last_two(groups, tmp_path):
    store = Checkpoints(tmp_path)
    for epochs in (9, 10, 11):
        store.save(epochs, groups, {})
    assert [p.name for p in store.paths()] == [
        "epoch_00010.npz",
        "epoch_00011.npz",
    ]
    assert len(list(tmp_path.iterdir())) == 2  # And nothing temporary.


def test_steps_come_between_epochs_and_the_best_is_spared(groups, tmp_path):
    store = Checkpoints(tmp_path)
    for epochs, step in ((1, 0), (2, 0), (2, 50), (2, 100), (3, 0), (3, 50)):
        store.save(epochs, groups, {}, step=step, kept={1})
    assert [p.name for p in store.paths()] == [
        "epoch_00001.npz",
        "epoch_00003.npz",
        "epoch_00003_step_00000050.npz",
    ]
    latest = store.latest()
    assert (latest.epochs, latest.step) == (3, 50)


def test_ends_of_rounds_are_kept_and_read(groups, tmp_path):
    store, plan = Checkpoints(tmp_path), Rounds(2, 3, 1)
    for epochs in range(1, 7):
        store.save(epochs, groups, {}, kept=plan.ends.values())
    assert [path.stem for path in store.paths()] == [
        f"epoch_{epochs:05}" for epochs in (1, 4, 5, 6)
    ]
    assert list(store.of_rounds(plan)) == [0, 1]
    assert [store.of_round(r, plan).epochs for r in (0, 1)] == [1, 4]
    with pytest.raises(
        InputError, match="round 2's end.*Use one of last, round_0, round_1"
    ):
        store.of_round(2, plan)
    store.save(6, groups, {})
    assert [path.stem for path in store.paths()] == [
        "epoch_00005",
        "epoch_00006",
    ]
    with pytest.raises(
        InputError, match="--keep_rounds. Use --checkpoint=last"
    ):
        store.of_round(0, plan)


def test_a_damaged_end_of_a_round_is_said(groups, tmp_path):
    store, plan = Checkpoints(tmp_path), Rounds(1, 1, 1)
    for epochs in (1, 2):
        store.save(epochs, groups, {}, kept=plan.ends.values())
    store.paths()[0].write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="damaged .*Use one of last, round_1"):
        store.of_round(0, plan)


def test_damaged_ones_do_not_count_as_the_newest(groups, tmp_path):
    """The run goes on from before them: what it then writes has to stay."""
    store = Checkpoints(tmp_path)
    for epochs in (2, 5, 6):
        store.save(epochs, groups, {}, kept={2, 6})
    for path in store.paths()[1:]:
        path.write_bytes(b"")
    assert store.latest().epochs == 2
    for epochs, kept in ((3, [2, 3]), (4, [2, 3, 4])):
        store.save(epochs, groups, {}, kept={2, 6})
        assert [Checkpoint(p).epochs for p in store.paths()] == kept


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_takes_the_one_before_a_damaged_one(groups, tmp_path, damage, capsys):
    store = Checkpoints(tmp_path)
    store.save(1, groups, {})
    store.save(2, groups, {})
    path = store.paths()[-1]
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        kernel = np.asarray(groups["encoder"][0]).tobytes()
        content[content.index(kernel)] ^= 1
    path.write_bytes(
        {"truncated": content[:-50], "flipped": content, "empty": b""}[damage]
    )
    assert store.latest().epochs == 1
    assert f"{path} is damaged" in capsys.readouterr().out


def test_none_where_there_is_none(tmp_path):
    assert Checkpoints(tmp_path / "nowhere").latest() is None


def test_reads_no_pickle(groups, tmp_path, capsys):
    np.savez(tmp_path / "epoch_00001.npz", notes=np.array([{}], object))
    assert Checkpoints(tmp_path).latest() is None
    assert "damaged" in capsys.readouterr().out


def test_fills_no_memory_that_the_file_has_not(groups, tmp_path, capsys):
    metadata = np.array('{"format": 1, "epochs": 9}')
    np.savez_compressed(
        tmp_path / "epoch_00008.npz", metadata=metadata, zeros=np.zeros(10**6)
    )
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    )
    with zipfile.ZipFile(tmp_path / "epoch_00009.npz", "w") as archive:
        with archive.open("notes.npy", "w") as file:
            np.lib.format.write_array(file, metadata)
        archive.writestr("rows.npy", header.getvalue() + bytes(64))
    assert Checkpoints(tmp_path).latest() is None
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and "compressed" in said[1]


def test_refuses_another_model_and_a_newer_format(
    groups, tmp_path, monkeypatch
):
    store = Checkpoints(tmp_path)
    store.save(1, groups, {})
    with pytest.raises(InputError, match="Expected 1 arrays of the encoder"):
        store.latest().restore("encoder", groups["encoder"][:1])
    with pytest.raises(InputError, match=r"of shape \(9,\).*Received: \(2,\)"):
        store.latest().restore(
            "method", [groups["method"][0], keras.Variable(np.zeros(9))]
        )
    with pytest.raises(InputError, match="Received: 0"):
        store.latest().restore("optimiser", groups["encoder"])
    monkeypatch.setattr("and_tf.training.checkpoint.FORMAT", 0)
    with pytest.raises(InputError, match="format 0 or older.*format 2"):
        store.latest()


def test_a_full_disk_leaves_the_last_one_whole(groups, tmp_path, monkeypatch):
    store = Checkpoints(tmp_path)
    store.save(1, groups, {})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device.*--resume"):
        store.save(2, groups, {})
    assert store.latest().epochs == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", None),
        ("epochs", -1),
        ("step", "3"),
        ("history", {}),
        ("history", [1]),
        ("encoder", 3),
        ("format", None),
    ],
)
def test_notes_of_another_kind_give_way_to_the_one_before(
    groups, tmp_path, capsys, name, value
):
    store = Checkpoints(tmp_path)
    store.save(1, groups, {"history": [{"loss": float("nan")}]})
    metadata = {"format": 2, "epochs": 2, "step": 0, name: value}
    path = tmp_path / "epoch_00002.npz"
    np.savez(path, notes=np.array(json.dumps(metadata)))
    assert store.latest().epochs == 1
    assert f"`$.{name}" in capsys.readouterr().out


def test_what_is_no_file_is_no_checkpoint(groups, tmp_path):
    """Reading a pipe would wait for ever."""
    store = Checkpoints(tmp_path)
    store.save(1, groups, {})
    os.mkfifo(tmp_path / "epoch_00008.npz")
    (tmp_path / "epoch_00009.npz").mkdir()
    assert store.latest().epochs == 1
    store.save(2, groups, {})
    assert store.latest().epochs == 2
