"""No variable of any model is of a kind that TensorFlow keeps off a GPU.

One that lies on the host fails the whole step where XLA compiles it, and
elsewhere has every step wait for the host.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf import encoders
from and_tf.data.split import ImageData, in_memory
from and_tf.method.optimizers import CoupledSGD
from and_tf.pretexts.distillation import Distillation
from and_tf.pretexts.supervised import Supervised
from and_tf.pretexts.taught import TaughtAND
from and_tf.pretexts.teacher_loss import TeacherLoss
from and_tf.scan import stages
from and_tf.scan.config import ClusterConfig
from and_tf.scan.scan_model import SCAN
from and_tf.scan.self_label_model import SelfLabeller
from and_tf.training import sources, trainer
from and_tf.training.config import TrainConfig
from and_tf.training.restore import first_metadata
from tests.method.model_test import mlp

# Kinds of which TensorFlow has variables on a GPU: all others, int32 and
# strings first of all, lie in the host's memory whatever device is asked for.
ON_GPUS = {
    tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int64, tf.bool
}  # fmt: skip
N = 12


@contextlib.contextmanager
def created() -> Iterator[list[tf.Variable]]:
    """Lists the variables that are made meanwhile, by whomever they are."""
    found = []

    def creator(make, **options):
        found.append(make(**options))
        return found[-1]

    with tf.variable_creator_scope(creator):
        yield found


def off_gpus(variables: list[tf.Variable]) -> list[str]:
    """Names of those that a GPU does not hold."""
    return [
        f"{variable.name}: {variable.dtype.name}"
        for variable in variables
        if variable.dtype not in ON_GPUS
    ]


@pytest.fixture(autouse=True)
def default_precision():
    yield
    keras.config.set_dtype_policy("float32")


def images(side: int) -> ImageData:
    pixels = np.zeros((N, side, side, 3), np.uint8)
    labels = np.arange(N) % 3
    train = in_memory("toy", pixels, labels, class_names=("a", "b", "c"))
    return ImageData("toy", train, None)


def build(**changes) -> keras.Model:
    """What `and_tf.training.trainer` would train by these flags."""
    options = {
        "encoder": "small", "width": 0.25, "embedding_dim": 4,
        "batch_size": 4, "augment_on_device": True, **changes,
    }  # fmt: skip
    config = TrainConfig(**options)
    keras.config.set_dtype_policy(config.precision)
    data = images(32 if config.encoder == "alexnet" else 16)
    return trainer.build_model(
        config,
        data,
        first_metadata(config, data, sources.find(config))["encoder"],
    )


def choices(flag: str) -> list[str]:
    """All that a flag may be, so that none that is added is left out."""
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    return list(fields[flag].metadata["choices"])


CHANGES = [
    *({"encoder": name} for name in encoders.NAMES),
    *(
        {"pretext": name, "rounds": 4 if name == "and" else 0}
        | ({"teacher": "a_package:teacher"} if name == "distillation" else {})
        for name in choices("pretext")
    ),
    *({"precision": name} for name in choices("precision")),
    *(
        {"learning_rate_schedule": name, "warmup_epochs": 1.0}
        for name in choices("learning_rate_schedule")
    ),
    {"view_size": 12, "neighbourhood_size": 3},
    {"bank_initialiser": "uniform"},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_of_trainings(changes):
    with created() as variables:
        model = build(**changes)
    of_model = {v.path for v in (*model.variables, *model.optimizer.variables)}
    assert len(variables) >= len(of_model) > 20
    scaled = any("dynamic_scale" in v.name for v in variables)
    assert scaled == (changes.get("precision") == "mixed_float16")
    assert off_gpus(variables) == []


@pytest.mark.parametrize("shard", [False, True])
@pytest.mark.parametrize("synchronised", [False, True])
def test_of_replicas(shard, synchronised):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with created() as variables, strategy.scope():
        build(shard_bank=shard, sync_batch_norm=synchronised)
    assert len(variables) > 20
    assert off_gpus(variables) == []


@pytest.mark.parametrize("precision", choices("precision"))
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_of_clusterings(precision, optimiser):
    """Both steps, with several heads and with an average of the weights."""
    keras.config.set_dtype_policy(precision)
    config = ClusterConfig(run_dir="run", optimiser=optimiser)
    with created() as variables:
        scan = SCAN(encoder(), 3, heads=2)
        second = SelfLabeller(scan, 1, threshold=0.9, decay=0.9)
        for model in (scan, second):
            model.compile(stages.optimiser(config, 1e-3))
            model.optimizer.build(model.trainable_variables)
    assert len(variables) > 60
    assert off_gpus(variables) == []


class Counts(keras.layers.Layer):
    """A layer that counts its calls, in an integer of this kind."""

    def __init__(self, dtype: str) -> None:
        super().__init__()
        self._hidden = {"calls": [tf.Variable(np.array(0, dtype))]}


@pytest.mark.parametrize(
    ("dtype", "found"), [("int32", 1), ("str", 1), ("int64", 0)]
)
def test_a_variable_that_a_gpu_does_not_hold_would_be_found(dtype, found):
    """Also one that no list of a layer's or a model's variables has."""
    with created() as variables:
        layer = Counts(dtype)
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert len(variables) == 3
    assert layer.variables == []
    assert len(off_gpus(variables)) == found


def test_a_variable_of_a_layer_would_be_found():
    with created() as variables:
        layer = keras.layers.Layer()
        layer.add_weight(name="kept", shape=(3,), dtype="int32")
    (found,) = off_gpus(variables)
    assert found.endswith("kept:0: int32")


def encoder() -> keras.Model:
    return encoders.build("small", image_size=8, embedding_dim=4, width=0.25)


def self_labeller() -> SelfLabeller:
    """Of an encoder that XLA compiles soon, batch norm included."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    flat = layers.Dense(6)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))
    outputs = layers.Dense(4)(layers.BatchNormalization()(flat))
    scan = SCAN(keras.Model(inputs, outputs), 3, heads=2, features="embedding")
    return SelfLabeller(scan, 1, threshold=0.1, decay=0.9)


def classes() -> np.ndarray:
    return np.arange(N, dtype=np.int64) % 3


# Each with a batch for its step.
KINDS = {
    "and": (lambda: and_tf.AND(mlp(5, 6, 4), N, seed=1), "rows"),
    "supervised": (lambda: Supervised(mlp(5, 6, 4), classes()), "rows"),
    "distillation": (
        lambda: Distillation(
            mlp(5, 6, 4), np.eye(N, 4), loss="similarity", keys=2
        ),
        "rows",
    ),
    "taught": (
        lambda: TaughtAND(
            mlp(5, 6, 4), TeacherLoss(np.eye(N, 4), loss="similarity", keys=2)
        ),
        "rows",
    ),
    "self-labelling": (self_labeller, "views"),
}


def batch(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    if kind == "rows":
        return rng.normal(size=(4, 5)).astype(np.float32), np.arange(4)
    first, second = rng.uniform(0, 255, (2, 4, 8, 8, 3)).astype(np.float32)
    return first, second


def on_second_device(make) -> keras.Model:
    """A model all of whose variables are made on CPU:1."""
    with tf.device("CPU:1"):
        keras.utils.set_random_seed(1)
        model = make()
        model.compile(CoupledSGD(0.1))
        model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize("name", KINDS)
def test_a_compiled_step_runs_away_from_the_default_device(name):
    """As on a GPU: nothing of the step pins itself to the first CPU."""
    make, kind = KINDS[name]
    model = on_second_device(make)
    of_all = [*model.variables, *model.optimizer.variables]
    assert {v.value.device[-5:] for v in of_all} == {"CPU:1"}
    before = [np.array(w) for w in model.trainable_variables]
    step = tf.function(model.train_step, autograph=False, jit_compile=True)
    with tf.device("CPU:1"):
        logs = step(batch(kind))
    assert logs["loss"].device.endswith("CPU:1")
    assert np.isfinite(float(logs["loss"]))
    assert any(
        (one != np.array(two)).any()
        for one, two in zip(before, model.trainable_variables, strict=True)
    )
    assert int(model.optimizer.iterations) == 1


def test_a_variable_on_another_device_makes_the_same_call_fail():
    """Else the test above would hold of anything."""
    model = on_second_device(KINDS["and"][0])
    with tf.device("CPU:0"):
        elsewhere = tf.Variable(1.0)

    @tf.function(autograph=False, jit_compile=True)
    def step(data):
        logs = model.train_step(data)
        return logs["loss"] * elsewhere

    with (
        tf.device("CPU:1"),
        pytest.raises(tf.errors.InvalidArgumentError, match="device"),
    ):
        step(batch("rows"))
