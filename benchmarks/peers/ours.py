"""Train this project's side: `and_tf.train`, by the recipe for a quarter hour.

The head is not whitened after the last epoch, as the recipe has it: the plain
figure is then that of the embedding as it was learnt, and the whitened one is
what whitening makes of the features, as for every other side.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

from benchmarks.gpu.trial import Trial, read_metrics
from benchmarks.harness.programs import Launcher
from benchmarks.peers.setting import RECIPE, SPLITS, Setting

TRIAL_EPOCHS = 3


def flags(setting: Setting, data_dir: str) -> list[str]:
    """Return the flags of `and_tf.train`, but for epochs and directory."""
    train_split, test_split = SPLITS[setting.split]
    given = [
        f"--flagfile={RECIPE}",
        "--norewhiten",
        "--nobaselines",
        f"--train_split={train_split}",
        f"--test_split={test_split}",
        f"--max_train_examples={setting.max_train_examples}",
        f"--seed={setting.seed}",
    ]
    return [*given, f"--data_dir={data_dir}"] if data_dir else given


def train(
    setting: Setting,
    launcher: Launcher,
    place: pathlib.Path,
    images: pathlib.Path,
    data_dir: str,
) -> dict[str, Any]:
    """Measure, train and embed.

    Args:
        setting: What is trained.
        launcher: Starts the processes.
        place: The directory of the run; its features.npz is written.
        images: The file of the images, of which the number is taken.
        data_dir: Where TFDS keeps its data; "" takes its default.

    Returns:
        What a peer's report.json says, as far as there is such a thing here.

    Raises:
        Failed: If a training ends with an error.
        Interrupted: If one was asked to end. The same call goes on with it.
    """
    given = flags(setting, data_dir)
    trial = Trial(place / "trial", given, TRIAL_EPOCHS)
    if not trial.done:
        trial.run(launcher)
    seconds = [float(row["seconds"]) for row in trial.rows]
    with np.load(images) as file:
        count = len(file["train_labels"])
    epochs = setting.budget.epochs(seconds, count)
    run = place / "run"
    ends = [f"--initial_epochs={epochs}", f"--run_dir={run}", "--resume"]
    log = place / "log.txt"
    launcher.run(["-m", "and_tf.train", *given, *ends], log)
    config = launcher.call(
        embed, run=str(run), path=str(place / "features.npz")
    )
    rows = read_metrics(run)
    return {
        "seconds": sum(float(row["seconds"]) for row in rows),
        "steps": len(rows) * -(-count // config["batch_size"]),
        "epochs": len(rows),
        "views_seen": len(rows) * count,
        **config,
    }


def embed(run: str, path: str) -> dict[str, Any]:
    """Write a run's features and embeddings of clean images.

    Args:
        run: The run's directory.
        path: The .npz, as `evaluation.evaluate` wants it.

    Returns:
        The run's batch size, rate and flags, and versions.
    """
    from and_tf.encoders import heads
    from and_tf.evaluation.embeddings import embed as embed_split
    from and_tf.training.run import Run

    opened = Run(run)
    trunk, _ = heads.split(opened.encoder)
    size, images = opened.image_size, opened.images
    np.savez(
        path,
        train=embed_split(trunk, images.train, size),
        queries=embed_split(trunk, images.test, size),
        embedding_train=opened.train_embeddings,
        embedding_queries=opened.query_embeddings,
    )
    config = opened.config.resolved
    return {
        "batch_size": config.batch_size,
        "view_size": opened.view_size,
        "learning_rate": config.learning_rate,
        "versions": opened.result["versions"],
    }
