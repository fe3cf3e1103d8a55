"""PyTorch files that Python's pickle wrote, and hostile ones."""

from __future__ import annotations

import io
import pathlib
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from and_tf.encoders import torch_file, torch_index
from and_tf.utils.errors import InputError
from tests.encoders.torch_files import (
    FORMATS,
    SYSTEM,
    Stored,
    archive,
    pickled,
    stored,
    stream,
    written,
)

# Pickle's instructions for a tuple of the last value twice.
TWICE = b"q\x00h\x00\x86"
RNG = np.random.default_rng(0)
FLOATS = RNG.normal(size=(2, 3, 4)).astype(np.float32)


@pytest.fixture(params=FORMATS)
def form(request) -> str:
    return request.param


@pytest.fixture
def read(tmp_path):
    """Returns a function that reads bytes as a file."""

    def read(content: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return torch_file.read(path)

    return read


@pytest.mark.parametrize(
    "kind, values",
    [
        ("FloatStorage", FLOATS),
        ("HalfStorage", FLOATS.astype(np.float16)),
        ("DoubleStorage", FLOATS.astype(np.float64)),
        ("LongStorage", np.array([[-(2**40), 7]])),
        ("IntStorage", np.array([-5, 2**30], np.int32)),
        ("ByteStorage", np.arange(6, dtype=np.uint8).reshape(3, 2)),
        ("BoolStorage", np.array([True, False, True])),
        ("FloatStorage", np.float32(1.5).reshape(())),
        ("FloatStorage", np.zeros((0, 3), np.float32)),
    ],
)
def test_values_are_those_written(form, read, kind, values):
    found = read(written(form, {"a.weight": stored(kind, values)}))
    assert list(found) == ["a.weight"]
    assert found["a.weight"].dtype == values.dtype
    np.testing.assert_array_equal(found["a.weight"], values)


def test_bfloat16_is_the_upper_half_of_a_float32(form, read):
    bits = np.array([0x3FC0, 0xC2F7, 0x0000, 0x7F80], np.uint16)
    (found,) = read(
        written(form, {"a": stored("BFloat16Storage", bits)})
    ).values()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [1.5, -123.5, 0, np.inf])


def test_tensors_are_views_of_what_they_share(form, read):
    numbers = np.arange(24, dtype=np.float32)
    grid = numbers.reshape(4, 6)
    views = {
        "all": ((4, 6), (6, 1), 0, grid),
        "transposed": ((6, 4), (1, 6), 0, grid.T),
        "window": ((2, 2), (6, 2), 8, grid[1:3, 2:6:2]),
        "last": ((1,), (99,), 23, numbers[23:]),
    }
    state = {
        name: Stored(
            "FloatStorage", numbers, shape, strides, offset,
            parameter=name == "window",
        )
        for name, (shape, strides, offset, _) in views.items()
    }  # fmt: skip
    found = read(written(form, state))
    assert list(found) == list(views)
    for name, (*_, expected) in views.items():
        np.testing.assert_array_equal(found[name], expected)
        assert not found[name].flags.writeable


def test_a_training_checkpoint_is_taken_for_its_state_dict(form, read):
    weight, step = stored("FloatStorage", FLOATS), np.array([3])
    state = OrderedDict({"module.a": weight})
    state._metadata = OrderedDict({"": {"version": 1}})  # An attribute.
    index = {
        "epoch": 3,
        "loss": stored("LongStorage", step, "1"),
        "best": [0.5, None, True],
        "optimizer": {"state": {0: {"m": stored("LongStorage", step, "1")}}},
        "state_dict": state,
    }
    tensors = [weight, stored("LongStorage", step, "1")]
    found = read(FORMATS[form](index, tensors))
    assert list(found) == ["a"]
    np.testing.assert_array_equal(found["a"], FLOATS)


@pytest.mark.parametrize(
    "shape, strides, offset, length",
    [
        ((25,), (1,), 0, 24),
        ((4, 6), (6, 2), 0, 24),
        ((24,), (1,), 1, 24),
        ((4,), (-1,), 23, 24),
        ((4,), (1,), -1, 24),
        ((-1,), (1,), 0, 24),
        ((2**62, 2**62), (1, 1), 0, 24),
        ((2**40,), (0,), 0, 24),  # A byte of which all memory would be made.
        ((2**62, 0), (1, 1), 0, 24),
        ((2,), (2**63,), 0, 24),
        ((2, 2), (1,), 0, 24),
        ((1,) * 40, (1,) * 40, 0, 24),
        ((24,), (1,), 0, 25),
        ((2**50,), (1,), 0, 2**50),
        ((1,), (1,), 0, -1),
        (("a",), (1,), 0, 24),
    ],
)
def test_no_tensor_leaves_its_storage(
    form, read, shape, strides, offset, length
):
    values = np.arange(24, dtype=np.float32)
    tensor = Stored(
        "FloatStorage", values, shape, strides, offset, length=length
    )
    with pytest.raises(InputError, match="with a state dict at .* read"):
        read(written(form, {"a": tensor}))


class Called:
    """Would write a file if it were unpickled."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_nothing_that_a_file_names_is_run(form, read, tmp_path):
    weight = stored("FloatStorage", FLOATS)
    path = tmp_path / "touched"
    content = FORMATS[form]({"a": weight, "b": Called(path)}, [weight])
    with pytest.raises(InputError, match="with .*(getattr|touch).* any code"):
        read(content)
    assert not path.exists()
    complex_ = stored("ComplexFloatStorage", FLOATS)
    with pytest.raises(InputError, match="torch.ComplexFloatStorage"):
        read(written(form, {"a": complex_}))


@pytest.mark.parametrize(
    "index, said",
    [
        # A dictionary's key, whose hash would take 2^60 steps; a function, a
        # storage and a name, the same.
        (b"\x80\x02})" + TWICE * 60 + b"Ns.", "neither text nor a number"),
        (b"\x80\x02)" + TWICE * 60 + b")R.", "a call of tuple"),
        (b"\x80\x02)" + TWICE * 60 + b"(h\x00NNNNtQ.", "no storage"),
        (b"\x80\x02)" + TWICE * 60 + b"N\x93.", "no text"),
        (b"\x80\x02" + b"N" * 2000 + b".", "than 2,000,000 instructions"),
        # Memory for a memo of 2^31 entries, and for a text of 2^62 bytes.
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "holds a NoneType"),
        (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x3f.", "cannot be read"),
        (b"\x80\x02ios\nsystem\n(Vls\no.", "instruction"),
        (b"\x80\x02\x82\x01.", "instruction"),
        (b"\x80\x02]2a.", "the instruction DUP"),
        (b"\x80\x02}.", "holds no tensors"),
        (b"\x80\x02K\x01.", "holds a int"),
        (b".", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_hostile_instructions_end_at_once(read, monkeypatch, index, said):
    if "2,000,000" in said:
        monkeypatch.setattr(torch_index, "MOST_INSTRUCTIONS", 1000)
        said = "than 1,000 instructions"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("model/data.pkl", index)
    with pytest.raises(InputError, match=said):
        read(buffer.getvalue())


def test_what_is_cut_off_or_flipped_is_a_sentence_or_right(form, read):
    weight = stored("FloatStorage", FLOATS)
    content = written(form, {"a": weight})
    for end in range(0, len(content), 3):
        with pytest.raises(InputError, match="PyTorch file"):
            read(content[:end])
    for place in range(0, len(content), 2):
        changed = bytearray(content)
        changed[place] ^= 1 << place // 2 % 8
        try:
            found = read(bytes(changed))
        except InputError:
            continue
        if form == "archive":  # Whose members have checksums.
            np.testing.assert_array_equal(found["a"], FLOATS)
        assert sum(each.nbytes for each in found.values()) <= len(content)


def test_other_files_and_bombs_are_sentences(read, tmp_path):
    zeros = stored("FloatStorage", np.zeros(10**6, np.float32))
    index = {"a": zeros}
    with pytest.raises(InputError, match="compressed"):
        read(archive(index, [zeros], zipfile.ZIP_DEFLATED))
    content = stream(index, [zeros])
    system = {"little_endian": False}
    big = pickle.dumps(SYSTEM, protocol=2)
    assert big in content
    with pytest.raises(InputError, match="big-endian"):
        read(content.replace(big, pickle.dumps(system, protocol=2)))
    for other in (b"PK", b"\x89PNG\r\n", pickled(index), b"\x00" * 100):
        with pytest.raises(InputError, match="cannot be read"):
            read(other)
    with pytest.raises(InputError, match="No such file"):
        torch_file.read(tmp_path / "missing.pth")
