"""Measure how cost grows: with the bank's rows, with k, with epochs."""

from __future__ import annotations

import atexit
import pathlib
import shutil
import tempfile
from typing import Any

from benchmarks.harness.comparison import Case, Comparison, Side, Work, rate
from benchmarks.speed import refresh, sides, training_step

SIZES = (10_000, 50_000, 100_000, 300_000, 1_000_000)
NEGATIVES = 8_192  # Rows of the bank that a step draws.
REFRESHED = (10_000, 25_000, 50_000, 100_000)


def step(threads: int, **arguments: Any) -> Work:
    """Prepare a training step; milliseconds."""
    work = training_step.ours(threads, **arguments)
    work.measure()
    return Work(lambda: 1e3 * arguments["batch"] / work.measure())


def step_memory(threads: int, **arguments: Any) -> Work:
    """Prepare the most that a process holds while it trains; MiB."""
    work = training_step.ours(threads, **arguments)

    def mebibytes() -> float:
        sides.restart_peak()
        for _ in range(3):
            work.measure()
        return sides.peak() / sides.MEBI

    return Work(mebibytes)


def search(threads: int, n: int, k: int) -> Work:
    """Prepare a refresh, compiled by a first one."""
    work = refresh.ours(threads, n, k)
    return Work(work.measure, lambda: work.answer() and {})


def run_memory(
    threads: int, dataset: str, backbone: str, steps: int, images: int
) -> Work:
    """Prepare a run as `and_tf.train` does; its epochs cut to some steps."""
    sides.start_tensorflow(threads)
    from and_tf.data.pipeline import train_batches
    from and_tf.distribution.process_group import ProcessGroup
    from and_tf.training import trainer
    from and_tf.training.config import TrainConfig
    from and_tf.training.experiment import view_config
    from and_tf.training.run_directory import RunDirectory

    place = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    config = TrainConfig(
        dataset=dataset,
        encoder=backbone,
        max_test_examples=images,
        run_dir=str(place / "run"),
        baselines=False,
    )
    prepared = trainer.prepare(
        config, RunDirectory(place / "run"), None, ProcessGroup()
    )
    split, epoch = prepared.images.train, 0

    def one_epoch() -> float:
        nonlocal epoch
        sides.restart_peak()
        prepared.model.fit(
            train_batches(
                split,
                view_config(config, prepared.image_size),
                batch_size=config.batch_size,
                seed=0,
                epochs=epoch + 1,
                first_epoch=epoch,
            ).take(steps),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        )
        prepared.knn.bank(prepared.model)
        epoch += 1
        return sides.peak() / sides.MEBI

    return Work(one_epoch)


def product(threads: int, library: str, n: int) -> Work:
    """Prepare a product of two square matrices of n rows."""
    left, right = sides.unit_rows(n, n, 0), sides.unit_rows(n, n, 1)
    flops = 2 * n**3 / 1e9
    if library == "torch":
        sides.start_torch(threads)
        import torch

        a, b = torch.from_numpy(left), torch.from_numpy(right)
        return Work(
            rate(lambda: a @ b, flops, 3), lambda: {"c": (a @ b).numpy()}
        )
    sides.start_tensorflow(threads)
    import tensorflow as tf

    a, b = tf.constant(left), tf.constant(right)
    return Work(
        rate(lambda: tf.matmul(a, b).numpy(), flops, 3),
        lambda: {"c": tf.matmul(a, b).numpy()},
    )


def _steps(sizes: tuple[int, ...], batch: int, size: int) -> list[Case]:
    network = {"backbone": "small", "width": 1.0}
    return [
        Case(f"N = {n:,}", {"n": n, "batch": batch, "size": size, **network})
        for n in sizes
    ]


PRODUCT = Comparison(
    name="product",
    title="What the machine can do",
    does="The product of two square float32 matrices.",
    unit="GFLOP/s",
    sides=(
        Side("TensorFlow", product, {"library": "tensorflow"}),
        Side("PyTorch", product, {"library": "torch"}, needs="torch"),
    ),
    cases=[Case("3,000 rows", {"n": 3_000})],
    quick=[Case("64 rows", {"n": 64})],
)
STEP = Comparison(
    name="growth_step",
    title="A step against N",
    does="Training step with the backbone `small`, batch 128, 32×32, D = 128.",
    unit="ms",
    sides=(Side("and_tf", step),),
    cases=_steps(SIZES, 128, 32),
    quick=_steps((100, 200), 4, 8),
)
SAMPLED_STEP = Comparison(
    name="growth_sampled_step",
    title="A step over drawn rows against N",
    does=(
        f"The same training step, which draws {NEGATIVES:,} rows of the bank "
        f"(`--negatives={NEGATIVES}`) where there are more."
    ),
    unit="ms",
    sides=(Side("and_tf", step, {"negatives": NEGATIVES}),),
    cases=_steps(SIZES, 128, 32),
    quick=_steps((100, 200), 4, 8),
)
STEP_MEMORY = Comparison(
    name="growth_memory",
    title="Memory against N",
    does=(
        "The most that the process of these steps holds, TensorFlow itself "
        "and the bank of N × 512 bytes included."
    ),
    unit="MiB",
    sides=(Side("and_tf", step_memory),),
    cases=_steps(SIZES, 128, 32),
    quick=_steps((100,), 4, 8),
    repeats=1,
    fresh=True,
)
REFRESH = Comparison(
    name="growth_refresh",
    title="A refresh against N and k",
    does="Entropies and the k nearest of all rows, D = 128.",
    unit="s",
    sides=(Side("and_tf", search),),
    cases=[
        Case(f"N = {n:,}, k = {k}", {"n": n, "k": k})
        for k in (1, 10, 100)
        for n in REFRESHED
    ],
    quick=[Case(f"N = {n}, k = 1", {"n": n, "k": 1}) for n in (300, 600)],
    repeats=2,
)
RUN_MEMORY = Comparison(
    name="run_memory",
    title="Memory of a CIFAR-10 run",
    does=(
        "The most that the whole process holds in each epoch: ResNet18, "
        "batches of 128, all 50,000 images (154 MB) and their bank (26 MB) "
        "in memory, TensorFlow itself included. Epochs are cut to a few "
        "steps and an evaluation of a few test images."
    ),
    unit="MiB",
    sides=(Side("and_tf", run_memory),),
    cases=[
        Case(
            "epochs of 4 steps",
            {"dataset": "cifar10", "backbone": "resnet18", "steps": 4,
             "images": 512},
        )
    ],
    quick=[
        Case(
            "epochs of 2 steps",
            {"dataset": "digits", "backbone": "small", "steps": 2,
             "images": 50},
        )
    ],
    repeats=8,
    series=True,
)  # fmt: skip
