"""Prints the start of a run, and writes and prints its results."""

from __future__ import annotations

import datetime
import functools
import os
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from and_tf import figures
from and_tf.data.preprocessing import pictures
from and_tf.data.split import ImageData, take
from and_tf.data.walking import summaries
from and_tf.distribution.devices import describe, gpu_names, unused_gpus
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.knn import Knn
from and_tf.training import result_file, start_neighbours
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.callbacks.tensorboard import spread
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import Training, rounds_of
from and_tf.training.run_directory import RunDirectory, versions
from and_tf.utils import provenance
from and_tf.utils.averages import percent

_NAMED_CLASSES = 12  # If there are more, only their number is printed.
ABOUT = {
    "distillation": "distillation: learns a teacher's embeddings of the "
    "training images",
    "rotation": "rotation: learns which quarter turn a view has had",
    "supervised": "supervised: learns from the labels of the training images",
}


def print_start(
    images: ImageData,
    config: TrainConfig,
    metadata: dict[str, Any],
    processes: ProcessGroup,
    on_device: bool = False,
) -> None:
    """Prints the devices, the encoder's start, and each split's images.

    Args:
        images: The data set.
        config: The flags of the run.
        metadata: The values that its checkpoints hold beside arrays.
        processes: The processes that train together.
        on_device: Whether the devices hold the training images.
    """
    if warning := unused_gpus():
        print(warning)
    device = describe(processes)
    if processes.size > 1:
        device = f"{processes.size} processes, this one on {device}"
    print(f"{config.encoder} on {device}, {config.precision}")
    if metadata.get("pretrained"):
        print(describe_start(config, metadata))
    if config.rewhiten and rounds_of(config).epochs:
        again = " again" if config.head == "whitened" else ""
        print(f"the head is whitened{again} after the last epoch")
    if config.pretext in ABOUT:
        print(ABOUT[config.pretext])
    if metadata.get("teacher"):
        print(describe_teacher(metadata["teacher"]))
        for line in describe_lesson(config):
            print(line)
    for split in (images.train, images.test):
        if split is None:
            continue
        size = "mixed sizes"
        if split.image_shape:
            size = "×".join(map(str, split.image_shape))
        held = "in memory" if split.held else "streamed"
        if on_device and split is images.train:
            held = "on the GPU" if processes.alone else "on each GPU"
        print(f"{split.name}: {split.size:,} images, {size}, {held}")
        for summary in summaries(split.skipped):
            print(f"  left out {summary}")
    if images.train.class_names:
        print(describe_classes(images.train.class_names))
    for remark in images.remarks:
        print(remark)


def describe_start(config: TrainConfig, metadata: dict[str, Any]) -> str:
    """Describes the weights that a run begins with, and what learns."""
    pretrained, encoder = metadata["pretrained"], metadata["encoder"]
    lines = [
        f"weights: {provenance.describe(pretrained)}",
        f"head: {config.head}, {encoder['embedding_dim']} numbers; images of "
        f"{encoder['image_size']} pixels",
    ]
    if rounds_of(config).epochs:
        norms = "frozen" if config.freeze_batch_norm else "learn too"
        lines.append(
            f"layers that learn: {config.train}, batch norms {norms}; rate "
            f"{config.learning_rate:g}, trunk {config.trunk_learning_rate:g}"
        )
    return "\n".join(lines)


def describe_teacher(teacher: dict[str, Any]) -> str:
    """Describes a teacher, and says which labels it has seen."""
    source, encoder = teacher["source"], teacher["encoder"]
    weights = "" if source == encoder else f" with weights {source}"
    side, labels = teacher["image_size"], provenance.labels(teacher)
    return (
        f"teacher: {encoder}{weights}, which has seen {labels}; images of "
        f"{side} pixels"
    )


def describe_lesson(config: TrainConfig) -> list[str]:
    """Returns lines about what AND has from its teacher, if anything."""
    lines = []
    if config.has_bank and config.is_taught:
        lines.append(
            f"loss: AND's + {config.distillation_weight:g} × the teacher's, "
            f"{config.distillation_loss}"
        )
    if config.discover_in == "teacher":
        lines.append("neighbours: discovered in the teacher's embeddings")
    return lines


def describe_classes(names: Sequence[str]) -> str:
    """Returns the number of classes and, if they are few, their names."""
    if len(names) > _NAMED_CLASSES:
        return f"{len(names):,} classes"
    what = "classes" if names[1:] else "class"
    return f"{len(names)} {what}: {', '.join(names)}"


def add_baseline(training: Training, name: str, found: Knn) -> None:
    """Prints the kNN top-1 accuracy of a baseline, and keeps it."""
    training.metadata["baselines"][name] = found.top1
    print(f"{name + ':':19}kNN {percent(found.top1)}", flush=True)


def finish(training: Training, recorder: Recorder) -> dict[str, Any]:
    """Writes result.json and the pictures, and prints the table of rounds.

    Returns:
        The content of result.json.
    """
    history, train = recorder.history, training.images.train
    result = make_result(training, history, recorder.seconds)
    found = start_neighbours.find(training) if not history else None
    if found is not None:
        result["neighbours"] = start_neighbours.describe(found, train.labels)
    numbers = spread(train.size)
    points = embed(training.model, take(train, numbers), training.image_size)
    if training.board is not None:
        if found is not None:
            start_neighbours.keep(training, found)
        write(training, result, history, points, numbers)
        show(training.directory, result)
    return result


def write(
    training: Training,
    result: dict[str, Any],
    history: list[dict],
    points: np.ndarray,
    numbers: np.ndarray,
) -> None:
    """Writes result.json, the pictures and TensorBoard of a finished run.

    Args:
        training: The run.
        result: The content of result.json.
        history: The logs of its epochs, one dict for each.
        points: float32 [m, D]: embeddings for the projector.
        numbers: int64 [m]: the numbers of their training images.
    """
    train = training.images.train
    draw(training.directory, training.images, result, history)
    figures_of_run = {
        key: result[key]
        for key in ("knn_top1_last", "knn_top1_best", "classifier_top1")
        if result[key] is not None
    }
    board = training.board
    assert board is not None  # As this is the process that writes.
    board.write_result(figures_of_run, len(history))
    if training.tracker is not None:
        training.tracker.write_result(figures_of_run, len(history))
    board.write_projector(
        points,
        numbers,
        functools.partial(pictures, train),
        train.labels,
        train.class_names,
    )
    board.close()
    # This comes last, as a run with result.json counts as finished and writes
    # its files no more.
    training.directory.write_result(result)


def show(directory: RunDirectory, result: dict[str, Any]) -> None:
    """Prints the results of a finished run, and the files that it wrote."""
    with result_file.using(directory.result):
        print_table(result)
    print_files(directory)


def make_result(
    training: Training, history: list[dict], seconds: float
) -> dict[str, Any]:
    """Collects the content of result.json."""
    config, knn = training.config, training.knn
    # A run without epochs has the figures of its start.
    last = history[-1] if history else training.metadata.get("start", {})
    bank = [row["knn_bank"] for row in history if "knn_bank" in row]
    return {
        "dataset": config.dataset,
        "pretext": config.pretext,
        "uses_labels": training.model.uses_labels,
        "backbone": config.encoder,
        "pretrained": training.metadata.get("pretrained"),
        "teacher": training.metadata.get("teacher"),
        "distillation_weight": config.distillation_weight or None,
        "discovered_in": config.discover_in if config.rounds else None,
        "num_examples": training.images.train.size,
        "image_size": training.image_size,
        "rounds": config.rounds,
        "epochs": len(history),
        "seconds": round(seconds, 1),
        "train_images_per_second": _speed(history),
        "knn_top1_last": last.get("knn_clean"),
        "knn_top5_last": last.get("knn_clean_top5"),
        "knn_top1_learnt": last.get("knn_learnt"),
        "knn_top1_best": max(bank, default=None),
        "classifier_top1": _classifier_top1(training),
        "train_accuracy": last.get("accuracy"),
        "train_cosine": last.get("cosine"),
        "knn_protocol": knn.protocol,
        "knn_baselines": training.metadata["baselines"],
        "neighbourhoods": _rounds(history) if config.has_bank else [],
        "neighbours": None,
        "seed": config.seed,
        "machine": machine(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        ),
        "versions": versions(),
    }


def _speed(history: list[dict]) -> float:
    """Returns the median of images per second; 0 without an epoch."""
    speeds = [row["images_per_second"] for row in history]
    return round(float(np.median(speeds)), 1) if speeds else 0.0


def machine() -> dict[str, Any]:
    """Describes this machine: its CPUs and GPUs."""
    names = gpu_names()
    found = {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "gpus": len(names),
    }
    return found | {"gpu_names": names} if names else found


def _classifier_top1(training: Training) -> float | None:
    """Computes the test top-1 of the model's own classifier.

    It is None if the model uses no labels, or test labels are missing.
    """
    model, test = training.model, training.images.test
    if not model.uses_labels or test is None or test.labels is None:
        return None
    return model.top1(embed(model, test, training.image_size), test.labels)


def _rounds(history: list[dict]) -> list[dict[str, Any]]:
    """Returns a dict for each round: anchors, consistency and last kNN."""
    rounds: dict[int, dict[str, Any]] = {}
    for row in history:
        rounds[row["round"]] = {
            "round": row["round"],
            "epochs": rounds.get(row["round"], {"epochs": 0})["epochs"] + 1,
            "selected": row["anchors"],
            "consistency": row.get("consistency"),
            "consistency_all": row.get("consistency_all"),
            "knn_clean": row.get("knn_learnt", row.get("knn_clean")),
            "knn_bank": row.get("knn_bank"),
        }
    return list(rounds.values())


def draw(
    directory: RunDirectory,
    images: ImageData,
    result: dict[str, Any],
    history: list[dict],
) -> None:
    """Draws the curves and the last round's gallery."""
    if history:
        curves = figures.curves_array(
            history,
            baselines=result["knn_baselines"],
            title=directory.config().title,
            rounds=result["rounds"],
        )
        figures.save_png(curves, directory.curves)
    number = directory.last_discovery()
    if number is not None:
        gallery = figures.gallery_array(
            functools.partial(pictures, images.train),
            directory.read_neighbourhoods(number),
            labels=images.train.labels,
            class_names=images.train.class_names,
        )
        figures.save_png(gallery, directory.gallery(number))


def print_table(result: dict[str, Any]) -> None:
    """Prints a line for each baseline and round, or for the pretext."""

    def line(name: str, knn: str, second: str = "", third: str = "") -> None:
        text = f"{name:24}{knn:>10}{second:>12}{third:>14}"
        print(text.rstrip())

    rounds, cosine = result["neighbourhoods"], result.get("train_cosine")
    print()
    if rounds:
        line("", "kNN top-1", "anchors", "consistency")
    elif not result["epochs"]:
        line("", "kNN top-1")
    elif cosine is not None:
        line("", "kNN top-1", "cosine")
    else:
        line("", "kNN top-1", "classifier", "train views")
    for name, top1 in result["knn_baselines"].items():
        line(name, percent(top1))
    for row in rounds:
        number, anchors = row["round"], row["selected"]
        line(
            f"round {number}" if number else "instance learning",
            percent(row["knn_clean"]),
            f"{anchors:,}" if anchors else "",
            percent(row["consistency"]),
        )
    if rounds and result.get("knn_top1_learnt") is not None:
        line(result_file.WHITENED, percent(result["knn_top1_last"]))
    if not rounds and result["epochs"]:
        note = ", uses labels" if result["uses_labels"] else ""
        line(
            result["pretext"] + note,
            percent(result["knn_top1_last"]),
            percent(result["classifier_top1"])
            if cosine is None
            else f"{cosine:.3f}",
            percent(result["train_accuracy"]),
        )
    if result["knn_protocol"]:
        protocol = result["knn_protocol"]
        print(
            f"kNN: K = {protocol['K']}, τ = {protocol['temperature']:g}, "
            f"queries {protocol['queries']}, gallery "
            f"{protocol['gallery_last']}"
        )
    if cosine is not None and rounds:
        print(
            f"cosine: {cosine:.3f} with the teacher, on train views in the "
            "last epoch"
        )
    elif cosine is not None:
        print("cosine: with the teacher, on train views in the last epoch")
    elif not rounds and result["epochs"]:
        print("classifier: its own top-1 on test images, and on train views")
    if result.get("neighbours"):
        print(describe_neighbours(result["neighbours"]))


def describe_neighbours(neighbours: dict[str, Any]) -> str:
    """Says how many neighbours a run without epochs found, and how good."""
    k, share = neighbours["k"], neighbours["consistency"]
    if share is None:
        return f"neighbours: {k} of each training image"
    return (
        f"neighbours: {percent(share)} of the {k} nearest of a training image "
        "have its class"
    )


def print_files(directory: RunDirectory) -> None:
    """Prints the names of the files that the run wrote."""
    number = directory.last_discovery()
    drawn = []
    if number is not None:
        what = "anchors and their" if number else "images and their nearest"
        drawn = [f"{directory.gallery(number).name}: {what} neighbours"]
    print(f"\nwrote {directory.path}/")
    curves = f"{directory.curves.name}: the curves of the run"
    rows = "metrics.csv: one row for each epoch"
    trained = directory.curves.is_file()
    taught = directory.teacher.is_dir()
    for text in (
        *([curves] if trained else []),
        *drawn,
        "result.json: the figures, with their protocol",
        *([rows] if trained else []),
        *(["teacher/: its embeddings of the training images"] * taught),
        f"checkpoints/, {'neighbourhoods/, ' if drawn else ''}flags.cfg",
        f"tensorboard/: tensorboard --logdir {directory.path}",
    ):
        print(f"  {text}")
