"""Bytes of exchanges, against counting parameters and against closed forms."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import tensorflow as tf

from and_tf import encoders
from benchmarks.harness import processes
from benchmarks.speed import scaling
from benchmarks.speed.replicas import CountingOps
from benchmarks.speed.traffic import Exchange, Traffic


def test_every_exchange_is_noted_once():
    operations = CountingOps()
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=operations
    )
    with strategy.scope():
        variable = tf.Variable(
            tf.zeros([7]),
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    @tf.function(autograph=False)
    def step():
        context = tf.distribute.get_replica_context()
        context.all_reduce(tf.distribute.ReduceOp.SUM, tf.ones([3, 4]))
        context.all_gather(tf.ones([5], tf.int64), axis=0)
        variable.assign(tf.ones([7]))

    @tf.function(autograph=False)
    def run():
        strategy.run(step)

    run.get_concrete_function()
    assert operations.exchanges == [
        Exchange("all-reduce", 48),
        Exchange("gather", 40),
        Exchange("broadcast", 28),
    ]


def exchanges(replicas: int, shard: bool, **changes: int) -> list[Exchange]:
    task = {
        "replicas": replicas, "shard": shard, "backbone": "small",
        "image_size": 16, "num_examples": 301, "batch_size": 8, **changes,
    }  # fmt: skip
    return processes.call(scaling.count_exchanges, **task)


def test_of_a_step():
    """D = 128, b = 8, k = 1: numbers that can be counted by hand."""
    encoder = encoders.build("small", image_size=16, embedding_dim=128)
    # Gradients, and moving statistics.
    of_network = 4 * sum(math.prod(v.shape) for v in encoder.variables)
    whole = exchanges(2, False)
    larger = exchanges(3, False, num_examples=999)
    found = Traffic.of_two((2, whole), (3, larger))
    fixed = sum(e.payload for e in found.fixed if e.kind == "all-reduce")
    assert fixed == of_network + 4  # And how many images there are.
    gathered = [e.payload for e in found.fixed if e.kind == "gather"]
    # Embeddings, numbers in two float32 each, and losses, all at once.
    assert gathered == [8 * (128 + 2 + 1) * 4]
    assert not found.growing

    sharded, whole = Counter(exchanges(2, True)), Counter(whole)
    # The losses follow when the rest has been heard.
    instead = list((whole - sharded).elements())
    assert instead == [Exchange("gather", 8 * (128 + 2 + 1) * 4)]
    further = sharded - whole
    assert sorted((e.kind, e.payload) for e in further.elements()) == [
        ("all-reduce", 16 * 8),  # Sums of exponentials, float64,
        ("all-reduce", 16 * 2 * 4),  # logits of {i} ∪ N(i),
        ("all-reduce", 16 * 128 * 4),  # the gradients' rows,
        ("gather", 8),  # how many images each has,
        ("gather", 8 * 4),  # losses,
        ("gather", 8 * (128 + 2) * 4),  # embeddings and numbers.
    ]


def test_what_reaches_a_replica():
    """In a ring of R each passes on (R − 1)/R of a sum, twice."""
    first = [Exchange("all-reduce", 100), Exchange("all-reduce", 20)]
    second = [Exchange("all-reduce", 100), Exchange("all-reduce", 30)]
    gather = [Exchange("gather", 7)]
    found = Traffic.of_two((2, first + gather), (3, second + gather))
    assert found.received(1) == (0, 0)
    assert found.received(4) == (150, 2 * 40 * 3 / 4 + 3 * 7)
    with pytest.raises(ValueError, match="constant or in proportion"):
        Traffic.of_two((2, first), (4, second))
