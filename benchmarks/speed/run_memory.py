"""The memory of a training run, epoch after epoch."""

from __future__ import annotations

import atexit
import pathlib
import shutil
import tempfile

from benchmarks.speed import libraries, memory
from benchmarks.speed.comparison import Case, Comparison, Side, Work


def training(
    threads: int, dataset: str, backbone: str, steps: int, images: int
) -> Work:
    """A run as `and_tf.train` prepares it; its epochs cut to some steps."""
    libraries.tensorflow(threads)
    from and_tf.data.pipeline import train_batches
    from and_tf.distribution.process_group import Team
    from and_tf.training import trainer
    from and_tf.training.config import TrainConfig
    from and_tf.training.experiment import view_config
    from and_tf.training.run_directory import RunDirectory

    place = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    config = TrainConfig(
        dataset=dataset,
        backbone=backbone,
        max_test_examples=images,
        run_dir=str(place / "run"),
        baselines=False,
    )
    prepared = trainer.prepare(
        config, RunDirectory(place / "run"), None, Team()
    )
    split, epoch = prepared.images.train, 0

    def one_epoch() -> float:
        nonlocal epoch
        memory.restart_peak()
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
        return memory.peak() / 2**20

    return Work(one_epoch)


COMPARISON = Comparison(
    name="run_memory",
    title="Memory of a CIFAR-10 run",
    does=(
        "The most that the whole process holds in each epoch: ResNet18, "
        "batches of 128, all 50,000 images (154 MB) and their bank (26 MB) "
        "in memory, TensorFlow itself included. Epochs are cut to a few "
        "steps and an evaluation of a few test images."
    ),
    unit="MiB",
    sides=(Side("and_tf", training),),
    cases=[
        Case(
            "epochs of 4 steps",
            {
                "dataset": "cifar10",
                "backbone": "resnet18",
                "steps": 4,
                "images": 512,
            },
        )
    ],
    quick=[
        Case(
            "epochs of 2 steps",
            {
                "dataset": "digits",
                "backbone": "small",
                "steps": 2,
                "images": 50,
            },
        )
    ],
    repeats=8,
    series=True,
)
