"""The same training however many replicas share the batch."""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from and_tf.distribution import collectives
from tests.on_replicas import on_replicas
from tests.replicas_run import train

ROOT = pathlib.Path(__file__).parents[2]


@functools.cache
def trained_alone(norm: str, batch: int) -> dict[str, np.ndarray]:
    """The same training on one device, in this process."""
    return train(1, norm, batch)


@pytest.mark.parametrize(
    ("count", "norm", "batch", "alone", "compiled"),
    [
        # 115 images: the last batch has 19, which 2 and 4 do not divide.
        (2, "none", 32, "none", False),
        (4, "none", 32, "none", False),
        (4, "synchronised", 32, "local", False),
        # Statistics of each replica are those of each half of the batch.
        (2, "local", 24, "ghost", False),
        # As on GPUs: XLA compiles what a replica does by itself.
        # Batches of 58 and 57, since it compiles each size anew.
        (2, "local", 58, "ghost", True),
    ],
)
def test_replicas_are_one_training(
    count, norm, batch, alone, compiled, tmp_path
):
    out = tmp_path / "result.npz"
    arguments = [str(out), str(count), norm, str(batch), str(compiled)]
    process = subprocess.run(
        [sys.executable, "-m", "tests.replicas_run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    expected = dict(trained_alone(alone, batch))
    with np.load(out, allow_pickle=False) as received:
        assert received.files == list(expected)
        np.testing.assert_allclose(
            received["losses"], expected.pop("losses"), atol=1e-5
        )
        for name, (value,) in expected.items():
            assert len(received[name]) == count
            for copy in received[name]:
                np.testing.assert_array_equal(copy, received[name][0])
                np.testing.assert_allclose(copy, value, atol=1e-5, err_msg=name)


def test_statistics_of_each_replica_are_not_those_of_the_batch():
    """Else the test above could not tell them apart."""
    of_halves, of_all = (trained_alone(n, 24) for n in ("ghost", "local"))
    assert np.abs(of_halves["losses"] - of_all["losses"]).max() > 1e-3


SIZES = [(16, 16), (17, 16), (30, 1)]  # Of both replicas.


def parts(sizes: tuple[int, ...]) -> list[list[np.ndarray]]:
    """Arrays of several ranks for each replica, hard ones to carry."""
    rng = np.random.default_rng(0)
    special = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38, 2**24 + 2],
        np.float32,
    )
    hard = [0, 1, 2**22 - 1, 2**22, 2**31, 2**43 + 1, 2**44 - 2, 2**44 - 1]
    found = [
        [
            rng.choice(special, (size, 6)),
            rng.choice(hard, size),
            rng.normal(size=size).astype(np.float32),
            rng.choice(hard, (size, 3, 2)),
            rng.integers(0, 2**31, (size, 2), np.int32),
        ]
        for size in sizes
    ]
    assert set(hard) == set(np.concatenate([f[3].ravel() for f in found]))
    return found


def gathered(
    strategy: tf.distribute.Strategy, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """What each replica has of `parts` after one exchange."""
    del directory

    @tf.function(autograph=False)
    def exchange(*tensors):
        return strategy.run(collectives.gather_together, args=tensors)

    found = {}
    for sizes in SIZES:
        own = parts(sizes)
        values = [
            strategy.experimental_distribute_values_from_function(
                lambda context, own=own, i=i: tf.constant(
                    own[context.replica_id_in_sync_group][i]
                )
            )
            for i in range(len(own[0]))
        ]
        for i, value in enumerate(exchange(*values)):
            copies = strategy.experimental_local_results(value)
            for replica, copy in enumerate(copies):
                found[f"{sizes}/{i}/{replica}"] = copy.numpy()
    return found


def bits(array: np.ndarray) -> np.ndarray:
    """Its bytes, in which −0 is not 0, and NaN is itself."""
    return np.frombuffer(array.tobytes(), np.uint8)


def test_one_exchange_carries_what_several_would(tmp_path):
    found = on_replicas(gathered, 2, tmp_path)
    assert len(found) == 2 * 5 * len(SIZES)
    for sizes in SIZES:
        for i, arrays in enumerate(zip(*parts(sizes), strict=True)):
            expected = np.concatenate(arrays)
            for replica in range(2):
                copy = found[f"{sizes}/{i}/{replica}"]
                assert (copy.dtype, copy.shape) == (
                    expected.dtype, expected.shape
                )  # fmt: skip
                np.testing.assert_array_equal(bits(copy), bits(expected))


def test_nothing_is_exchanged_with_one_replica():
    tensors = (tf.constant([[0.5]]), tf.constant([2**62]))
    for one, two in zip(
        collectives.gather_together(*tensors), tensors, strict=True
    ):
        assert one is two
