"""Whatever becomes of an archive, its readers know that it is damage."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from and_tf.protocols.neighbourhoods import read_rounds
from and_tf.scan import mining, unsupervised_metrics
from and_tf.training.checkpoint import Checkpoint, Checkpoints
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import archives
from and_tf.utils.errors import InputError
from export.embeddings import array_file


def archive(compressed: bool = False, **arrays) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def with_header(text: bytes) -> bytes:
    """An .npz whose one array has a header of somebody's choice."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archived:
        size = len(text).to_bytes(2, "little")
        archived.writestr("a.npy", b"\x93NUMPY\x01\x00" + size + text)
    return file.getvalue()


HEADERS = [
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**99,), }\n",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }\n",
    b"{'descr': 'x', 'fortran_order': False, 'shape': (3,), }\n",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': 'x', }\n",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (2**62,), }\n",
    b"(" * 4000,
    b"'''",
    b"{'descr': [('a', '<f4', -1)], 'fortran_order': False, 'shape': (3,)}\n",
    b"\xff\xfe\x00",
    b"",
]


@pytest.mark.parametrize("header", HEADERS)
def test_knows_hostile_headers(header):
    with pytest.raises(archives.DAMAGE) as caught:
        archives.read(io.BytesIO(with_header(header)), {"a": ("fi", 1)})
    assert "\n" not in archives.why(caught.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_knows_every_flipped_byte_that_it_notices(compressed, rng):
    """Else another exception would end this test."""
    whole = {"a": rng.random(40), "b": np.arange(9)}
    content = archive(compressed, **whole)
    for place in range(0, len(content), 3):
        for mask in (0xFF, 0x01, 0x40):
            damaged = bytearray(content)
            damaged[place] ^= mask
            try:
                found = archives.read(
                    io.BytesIO(damaged), {"a": ("f", 1), "b": ("iu", 1)}
                )
            except archives.DAMAGE:
                continue
            # The CRC covers all that matters: else as it was.
            assert all(map(np.array_equal, found, whole.values()))


def test_knows_every_cut():
    content = archive(a=np.arange(3))
    for size in range(0, len(content), 7):
        with pytest.raises(archives.DAMAGE):
            archives.read(io.BytesIO(content[:size]), {"a": ("fi", 1)})


@pytest.mark.parametrize(
    "array",
    [np.zeros(3), np.zeros((3, 1), int), np.array(3), np.array(["a"] * 3)],
)
def test_refuses_arrays_of_another_type_or_rank(array):
    with pytest.raises(ValueError, match="a is .*"):
        archives.read(io.BytesIO(archive(a=array)), {"a": ("iu", 1)})


@pytest.mark.parametrize("number", [-1, 3, 2**40])
def test_refuses_numbers_of_rows_that_are_not_there(number):
    archives.check_rows(3, np.array([[0, 2]]))
    archives.check_rows(0, np.zeros((0, 2), int))
    with pytest.raises(ValueError, match=f"{number} .*of 3 rows"):
        archives.check_rows(3, np.array([[1, number]]))


READERS = {
    "mining": lambda path: mining.read(path, 1, 1),
    "array file": lambda path: array_file.read(path),
    "neighbourhoods": lambda path: read_rounds(
        RunDirectory(path.parent.parent), 3
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("header", HEADERS)
def test_readers_answer_in_one_sentence(tmp_path, reader, header):
    path = tmp_path / "neighbourhoods" / "round_1.npz"
    path.parent.mkdir()
    path.write_bytes(with_header(header))
    with pytest.raises(InputError) as caught:
        READERS[reader](path)
    assert "\n" not in str(caught.value)
    assert unsupervised_metrics.read(path, 3) is None


@pytest.mark.parametrize(
    "lost", ["encoder/0000/a", "encoder/0001/b", "method/0001/mask"]
)
def test_a_checkpoint_that_lost_an_array_gives_way_to_the_one_before(
    tmp_path, lost, capsys
):
    class Variable:
        def __init__(self, path, value):
            self.path, self._value = path, value

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self._value, dtype)

    checkpoints = Checkpoints(tmp_path)
    groups = {
        "encoder": [Variable("a", 1.0), Variable("b", 2.0)],
        "method": [Variable("bank", 3.0), Variable("mask", 4.0)],
    }
    for epochs in (1, 2):
        checkpoints.save(epochs, groups, {})
    assert checkpoints.latest().epochs == 2
    newest = checkpoints.paths()[-1]
    with np.load(newest) as data:
        arrays = {name: data[name] for name in data.files if name != lost}
    np.savez(newest, **arrays)
    assert checkpoints.latest().epochs == 1
    assert (
        "damaged (ValueError: it has lost an array" in capsys.readouterr().out
    )
    with pytest.raises(archives.DAMAGE):
        Checkpoint(newest)


def test_stray_checkpoints_are_passed_over(tmp_path):
    names = ["epoch_00001.npz", "epoch_00001_step_00000007.npz"]
    for name in (*names, "epoch_00002 (copy).npz", "epoch_2.npz"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in Checkpoints(tmp_path).paths()] == names


@pytest.mark.parametrize(
    "name", ["round_2 (copy).npz", "round_99999999.npz", "round_x.npz"]
)
def test_stray_neighbourhoods_are_passed_over(tmp_path, name):
    directory = RunDirectory(tmp_path)
    place = directory.neighbourhoods
    place.mkdir()
    for file in ("round_1.npz", name):
        (place / file).write_bytes(
            archive(
                entropy=np.zeros(3, np.float32),
                neighbours=np.zeros((3, 1), np.int32),
                selected=np.zeros(3, bool),
            )
        )
    assert directory.last_discovery() == 1
    assert [found.round for found in read_rounds(directory, 3)] == [1]
