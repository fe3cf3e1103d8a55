"""What steps are made of: nothing that would have a GPU wait for the host.

Steps are traced as they would be for GPUs, and their graphs looked at; none
of them is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf import encoders
from and_tf.augmentation import RandomView, ViewConfig
from and_tf.data.pipeline import train_batches
from and_tf.data.split import Split, in_memory
from and_tf.data.step_batches import DeviceBatches, HostBatches, StepBatches
from and_tf.distribution.process_group import ProcessGroup
from and_tf.method.optimizers import CoupledSGD
from and_tf.method.rounds import RoundSchedule
from and_tf.scan.scan_model import SCAN
from and_tf.scan.self_label_model import SelfLabeller
from and_tf.training import building, fit_loop, placement
from and_tf.training.config import TrainConfig
from benchmarks.speed.replicas import CountingOps
from benchmarks.speed.traffic import Exchange

N, BATCH, SIDE, D = 21, 8, 8, 4
VIEW = ViewConfig(SIDE)

# What TensorFlow has no kernel of for a GPU, by the kinds of numbers. Of int32
# there are kernels that read and write the host's memory; what a step has of
# int32, shapes and the loop's count, lies there anyway.
_INTEGERS = {tf.uint8, tf.int8, tf.int16, tf.int64, tf.uint32, tf.uint64}
OFF_GPUS = {
    **dict.fromkeys(
        ("FloorMod", "FloorDiv", "Mod", "Div", "TruncateMod", "TruncateDiv"),
        _INTEGERS,
    ),
    **dict.fromkeys(("Split", "SplitV"), _INTEGERS | {tf.int32}),
    "GatherV2": {tf.uint8},
}


def nodes(function: tf.types.experimental.ConcreteFunction) -> Iterator:
    """Operations of a traced function and of all that it calls.

    Without those of functions that XLA compiles: these need no kernels.
    """
    graph = function.graph.as_graph_def()
    library = {f.signature.name: f for f in graph.library.function}
    seen, left = set(), [graph.node]
    while left:
        for node in left.pop():
            yield node
            for value in node.attr.values():
                called = [value.func.name, *(f.name for f in value.list.func)]
                for name in set(called) - seen - {""}:
                    seen.add(name)
                    if not library[name].attr["_XlaMustCompile"].b:
                        left.append(library[name].node_def)


def off_gpus(function: tf.types.experimental.ConcreteFunction) -> list[str]:
    """Operations of a traced function that a GPU cannot do."""
    found = []
    for node in nodes(function):
        kinds = OFF_GPUS.get(node.op, set())
        key = "Tparams" if node.op == "GatherV2" else "T"
        if kinds and tf.as_dtype(node.attr[key].type) in kinds:
            found.append(f"{node.op} of {tf.as_dtype(node.attr[key].type)}")
    return found


def images() -> Split:
    pixels = np.zeros((N, SIDE, SIDE, 3), np.uint8)
    labels = np.arange(N) % 3
    return in_memory("toy", pixels, labels, class_names=("a", "b", "c"))


def encoder() -> keras.Model:
    """One with all kinds of layers that backbones have, and few of them."""
    layers = keras.layers
    x = inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x))
    return keras.Model(inputs, layers.Dense(D)(x))


def compile_model(model: keras.Model) -> keras.Model:
    rate = RoundSchedule(0.03, "step", 3, 4, 2, 2, warmup_epochs=1.0)
    model.compile(CoupledSGD(rate))
    model.optimizer.build(model.trainable_variables)
    # As Keras has it where there is a GPU.
    model.jit_compile = model.distribute_strategy.num_replicas_in_sync == 1
    return model


def pretext(strategy: tf.distribute.Strategy, **changes) -> keras.Model:
    """What a run on GPUs would train, as `and_tf.training.trainer` makes it."""
    rounds = 0 if "pretext" in changes else 4
    config = TrainConfig(augment_on_device=True, rounds=rounds, **changes)
    with strategy.scope(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "accelerated", lambda strategy: True)
        built = encoder()
        if config.sync_batch_norm:
            encoders.synchronise_batch_norm(built)
        model = building.build(config, images(), built, RandomView(VIEW))
        placement.compile_parts(model, config)
        return compile_model(model)


def clustering(strategy: tf.distribute.Strategy, second: bool) -> keras.Model:
    with strategy.scope():
        model = SCAN(encoder(), 3, heads=2, features="embedding")
        if second:
            model = SelfLabeller(model, 1, threshold=0.5, decay=0.9)
        return compile_model(model)


def mirrored(operations: CountingOps | None = None) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=operations
    )


def on_device(processes: ProcessGroup) -> StepBatches:
    return DeviceBatches(
        images(), VIEW, batch_size=BATCH, seed=0, processes=processes
    )


def on_host(processes: ProcessGroup) -> StepBatches:
    options = {"batch_size": BATCH, "seed": 0, "epochs": 2}
    dataset = train_batches(images(), VIEW, on_device=True, **options)
    return HostBatches(dataset, processes)


def two_views(processes: ProcessGroup) -> StepBatches:
    view = tf.zeros([N, SIDE, SIDE, 3])
    dataset = tf.data.Dataset.from_tensor_slices((view, view)).batch(BATCH)
    return HostBatches(dataset, processes)


def traced(
    model: keras.Model, batches: StepBatches, steps: int
) -> tf.types.experimental.ConcreteFunction:
    """The function that trains some steps."""
    run, arguments = fit_loop.step_function(model, batches), batches.begin(0)
    return tf.function(
        lambda: run(0, steps, arguments), autograph=False
    ).get_concrete_function()


@pytest.mark.parametrize("steps", [1, 3])
def test_a_step_of_one_gpu(steps):
    strategy = tf.distribute.get_strategy()
    batches = on_device(ProcessGroup(strategy))
    function = traced(pretext(strategy), batches, steps)
    assert off_gpus(function) == []
    # What happens to a batch is compiled, all else around it is little.
    assert len(list(nodes(function))) < 200


@pytest.mark.parametrize(
    ("changes", "batches"),
    [
        ({}, on_device),
        ({}, on_host),
        ({"sync_batch_norm": True}, on_device),
        ({"shard_bank": True}, on_device),
        ({"negatives": 3}, on_device),
        ({"pretext": "rotation"}, on_device),
        ({"pretext": "supervised"}, on_device),
    ],
    ids=[
        "device",
        "host",
        "synchronised",
        "sharded",
        "sampled",
        "rotation",
        "supervised",
    ],
)
def test_a_step_of_two_gpus(changes, batches):
    strategy = mirrored()
    function = traced(
        pretext(strategy, **changes), batches(ProcessGroup(strategy)), 3
    )
    assert off_gpus(function) == []
    assert len(list(nodes(function))) > 200


@pytest.mark.parametrize("second", [False, True])
def test_a_step_of_a_clustering(second):
    strategy = mirrored()
    model = clustering(strategy, second)
    assert off_gpus(traced(model, two_views(ProcessGroup(strategy)), 3)) == []


@pytest.mark.parametrize(
    ("operation", "compiled", "found"),
    [
        (lambda n, pixels: n % 3, False, ["FloorMod of <dtype: 'int64'>"]),
        (lambda n, pixels: n // 3, False, ["FloorDiv of <dtype: 'int64'>"]),
        (
            lambda n, pixels: tf.split(n, 2),
            False,
            ["Split of <dtype: 'int64'>"],
        ),
        (
            lambda n, pixels: tf.gather(pixels, n),
            False,
            ["GatherV2 of <dtype: 'uint8'>"],
        ),
        (lambda n, pixels: tf.gather(pixels, n % 3), True, []),
        (lambda n, pixels: tf.gather(n, n) + 1, False, []),
    ],
)
def test_such_operations_would_be_found(operation, compiled, found):
    """In a loop's body, and in a function that a function calls."""
    inner = tf.function(operation, autograph=False, jit_compile=compiled)

    @tf.function(autograph=False)
    def step(numbers, pixels):
        def body(i):
            outer = tf.function(lambda: inner(numbers, pixels))
            outer()
            return i + 1

        return tf.while_loop(lambda i: i < 3, body, [0])

    function = step.get_concrete_function(
        tf.TensorSpec([4], tf.int64), tf.TensorSpec([4, 2], tf.uint8)
    )
    assert off_gpus(function) == found


def exchanges(**changes) -> tuple[keras.Model, list[Exchange]]:
    """A model, and what its replicas exchange in a step."""
    operations = CountingOps()
    strategy = mirrored(operations)
    model = pretext(strategy, **changes)
    model.augmenter = None
    batch = tf.zeros([BATCH, SIDE, SIDE, 3]), tf.range(BATCH, dtype=tf.int64)
    operations.exchanges.clear()

    @tf.function(autograph=False)
    def step():
        strategy.run(model.train_step, (batch,))

    step.get_concrete_function()
    return model, operations.exchanges


def bytes_of(variables: list[keras.Variable]) -> list[int]:
    return [4 * v.shape.num_elements() for v in variables]


@pytest.mark.parametrize(
    ("changes", "gathered"),
    [
        # Embeddings, numbers in two float32 each, and losses.
        ({}, BATCH * (D + 2 + 1) * 4),
        # Weights, losses, and whether the answers were right.
        ({"pretext": "supervised"}, BATCH * 3 * 4),
        ({"pretext": "rotation"}, 4 * BATCH * 3 * 4),
    ],
    ids=str,
)
def test_a_step_gathers_once(changes, gathered):
    """Beside the sums of gradients, of statistics, and of a count."""
    model, found = exchanges(**changes)
    statistics = sum(bytes_of(model.encoder.non_trainable_variables))
    gradients = bytes_of(model.trainable_variables)
    assert Counter(found) == Counter(
        [
            Exchange("gather", gathered),
            *(Exchange("all-reduce", size) for size in gradients),
            Exchange("all-reduce", statistics),
            Exchange("all-reduce", 4),
            Exchange("broadcast", 8),  # The optimiser's count of steps.
        ]
    )


def test_a_step_with_a_bank_in_parts_gathers_what_it_has_to():
    whole, found = (Counter(exchanges(shard_bank=s)[1]) for s in (False, True))
    assert whole - found == {Exchange("gather", BATCH * (D + 2 + 1) * 4): 1}
    assert found - whole == Counter(
        [
            Exchange("gather", BATCH * (D + 2) * 4),  # Before the loss,
            Exchange("gather", 8),  # how many images each replica has,
            Exchange("gather", BATCH * 4),  # and losses after it.
            Exchange("all-reduce", 2 * BATCH * 2 * 4),  # Logits of {i} ∪ N(i),
            Exchange("all-reduce", 2 * BATCH * 8),  # sums of exponentials,
            Exchange("all-reduce", 2 * BATCH * D * 4),  # the gradients' rows.
        ]
    )
