"""Evaluates the classifiers of a fine-tuning, and writes and prints it all."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import softmax

from and_tf import figures
from and_tf.data.split import Split
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation import calibration
from and_tf.finetuning import classifier_file
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import (
    FinetuneDirectory,
    Finetuning,
    best_epoch,
)
from and_tf.finetuning.labelling import Labelled
from and_tf.training import result_file
from and_tf.training import results as training_summary
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.run import Run
from and_tf.training.run_directory import versions
from and_tf.utils import checkpoint_names
from and_tf.utils.averages import percent

# The classifiers that are compared, by their keys in result.json.
LINEAR, TUNED, SCRATCH = "linear_head", "fine_tuned", "scratch"
NAMES = {
    LINEAR: "linear head",
    TUNED: "fine-tuned",
    SCRATCH: "from scratch",
}
_MOST_CLASSES = 20  # Of more, only the worst are printed.
Head = tuple[np.ndarray, np.ndarray]
# The numbers of an evaluation that belong to the table of classes.
_TABLES = ("per_class", "confusion")


def finish(
    trained: Mapping[str, Finetuning],
    recorders: Mapping[str, Recorder],
    begun: tuple[list[np.ndarray], Head],
) -> dict[str, Any]:
    """Evaluates each classifier on the test split, once, and writes it all.

    Args:
        trained: The trainings, with the weights of their best epochs, by name.
        recorders: The recorders of their epochs, by name.
        begun: The weights of the encoder and of the linear head that
            fine-tuning began with.

    Returns:
        The content of result.json.
    """
    tuned = trained[TUNED]
    found = {name: evaluate(one) for name, one in trained.items()}
    classifier_file.write(
        tuned.directory.classifier,
        tuned.model,
        found[TUNED]["temperature"],
        _described(tuned),
    )
    tuned.model.encoder.set_weights(begun[0])
    tuned.model.classifier.set_weights(begun[1])
    found[LINEAR] = evaluate(tuned)
    for name, recorder in recorders.items():
        found[name] |= {
            "epochs": len(recorder.history),
            "best_epoch": best_epoch(recorder.history),
        }
        draw_curves(trained[name], recorder.history, found)
        final = {"held_out_top1": found[name]["held_out_top1"]}
        if found[name]["test_top1"] is not None:
            final["test_top1"] = found[name]["test_top1"]
        trained[name].board.write_result(final, len(recorder.history))
        trained[name].board.close()
    result = make_result(tuned, found, recorders)
    draw_confusion(tuned, result)
    # This comes last, as result.json marks a fine-tuning as finished.
    tuned.directory.write_result(result)
    show(tuned.directory, result)
    return result


def evaluate(training: Finetuning) -> dict[str, Any]:
    """Evaluates the present weights on the held-out and the test images.

    Without test images, the figures of the test split are None.
    """
    held, test = training.labelled.held_out, training.labelled.test
    logits = training.logits(held)
    temperature = calibration.fit_temperature(logits, held.labels)
    found: dict[str, Any] = {
        "held_out_top1": _top1(logits, held),
        "held_out_loss": calibration.cross_entropy(logits, held.labels),
        "temperature": temperature,
        **dict.fromkeys(
            ("test_top1", "test_loss", "test_loss_uncalibrated", "ece",
             "ece_uncalibrated", *_TABLES)
        ),
    }  # fmt: skip
    if test is None:
        return found
    logits, labels = training.logits(test), test.labels
    error = calibration.expected_calibration_error
    confusion = confusion_table(logits.argmax(1), labels, logits.shape[1])
    return found | {
        "test_top1": _top1(logits, test),
        "test_loss": calibration.cross_entropy(logits, labels, temperature),
        "test_loss_uncalibrated": calibration.cross_entropy(logits, labels),
        "ece": error(softmax(logits / temperature, axis=1), labels),
        "ece_uncalibrated": error(softmax(logits, axis=1), labels),
        "per_class": [
            float(row[number] / row.sum()) if row.any() else None
            for number, row in enumerate(confusion)
        ],
        "confusion": confusion.tolist(),
    }


def _top1(logits: np.ndarray, split: Split) -> float:
    return float((logits.argmax(1) == split.labels).mean())


def confusion_table(
    answers: np.ndarray, labels: np.ndarray, classes: int
) -> np.ndarray:
    """Counts images by class and answer, int64 [classes, classes].

    Args:
        answers: int64 [n], the answer to each image.
        labels: int64 [n], its class.
        classes: The number of classes.
    """
    places = labels * classes + answers
    counts = np.bincount(places, minlength=classes**2)
    return counts.reshape(classes, classes)


def make_result(
    tuned: Finetuning,
    found: Mapping[str, dict[str, Any]],
    recorders: Mapping[str, Recorder],
) -> dict[str, Any]:
    """Collects the content of result.json."""
    config, source, labelled = tuned.config, tuned.source, tuned.labelled
    rates = [row["images_per_second"] for row in recorders[TUNED].history]
    compared = {
        name: {k: v for k, v in found[name].items() if k not in _TABLES}
        if name in found
        else None
        for name in NAMES
    }
    return {
        "kind": "finetuning",
        "dataset": source.config.dataset,
        "backbone": source.config.encoder,
        "image_size": source.image_size,
        "num_examples": source.images.train.size,
        "uses_labels": True,
        **compared,
        "class_names": list(labelled.class_names),
        "dataset_labels": labelled.dataset_labels,
        **{name: found[TUNED][name] for name in _TABLES},
        "labels": {
            "from": labelled.source,
            "available": labelled.available,
            "fraction": config.labelled_fraction,
            "used": labelled.used,
            "learnt_from": labelled.learn.size,
            "held_out": labelled.held_out.size,
            "test": labelled.test.size if labelled.test else 0,
            "test_of_other_classes": labelled.left_out,
        },
        "pretrained": {
            "run_dir": str(source.directory.path),
            "checkpoint": source.checkpoint.path.name,
            "pretext": source.config.pretext,
            "epochs": source.checkpoint.epochs,
            "encoder_sha256": tuned.metadata["encoder_sha256"],
            "labels_seen": labels_seen(source),
        },
        "protocol": _protocol(tuned),
        "epochs": len(recorders[TUNED].history),
        "seconds": round(sum(r.seconds for r in recorders.values()), 1),
        "train_images_per_second": round(float(np.median(rates)), 1),
        "seed": config.seed,
        "machine": training_summary.machine(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        ),
        "versions": versions(),
    }


def labels_seen(source: Run) -> str:
    """Says which labels the weights of a run have seen."""
    seen = []
    begun = source.checkpoint.metadata.get("pretrained")
    if begun:
        seen.append(f"{begun['labels']}, before the run")
    if source.teacher and source.teacher["labels"] != "none":
        seen.append(f"{source.teacher['labels']}, by the teacher")
    if source.config.pretext == "supervised":
        seen.append(f"all of {source.images.train.name}, in the run")
    if source.which == checkpoint_names.BEST:
        seen.append(f"those of {source.queries.name}, to choose the epoch")
    return "; ".join(seen) or "none"


def _protocol(tuned: Finetuning) -> dict[str, Any]:
    config, labelled = tuned.config, tuned.labelled
    statistics = "kept" if config.freeze_statistics else "learnt"
    return {
        "labels_drawn": "at random from each class, one or more; by the seed",
        "chosen_by_held_out": "the best epoch by top-1, then cross-entropy; "
        "the temperature by cross-entropy; when training ends",
        "chosen_by_test": "nothing; it was evaluated once, at the end",
        "test": labelled.test.name if labelled.test else None,
        "linear_head": f"softmax regression on frozen features of clean "
        f"views, {config.head_epochs} epochs, of the weights as they were",
        "fine_tuned": "begins with that head; batch norm statistics "
        f"{statistics}; rates {config.learning_rate:g} and, of the head, "
        f"{config.head_learning_rate:g}",
        "scratch": "the same network, labels, views and epochs; batch norm "
        f"statistics learnt; rate {config.scratch_learning_rate:g}",
        "batch_size": tuned.batch_size,
        "most_epochs": config.epochs,
        "patience": config.patience,
        "schedule": "cosine to 0 over most_epochs",
        "calibration": f"expected calibration error, "
        f"{calibration.BINS} bins of equal width",
    }


def _described(tuned: Finetuning) -> dict[str, Any]:
    """Returns what the classifier's file says of it, beside the network."""
    return {
        "class_names": list(tuned.labelled.class_names),
        "image_size": tuned.source.image_size,
        "input": "uint8 [B, S, S, 3], RGB, values 0..255",
        "output": "probabilities float32 [B, C]",
        "dataset": tuned.source.config.dataset,
        "labels": tuned.labelled.used,
        "seed": tuned.config.seed,
    }


def draw_curves(
    training: Finetuning,
    history: list[dict],
    found: Mapping[str, dict[str, Any]],
) -> None:
    """Draws the curves of a training beside the linear head's figure."""
    curves = figures.curves_array(
        history,
        baselines={NAMES[LINEAR]: found[LINEAR]["held_out_top1"]},
        title=training.config.title,
    )
    figures.save_png(curves, training.directory.curves)


def draw_confusion(tuned: Finetuning, result: dict[str, Any]) -> None:
    """Draws the confusion table, if there are test images."""
    if result["confusion"] is None:
        return
    table = np.array(result["confusion"])
    picture = figures.confusion_array(
        np.pad(table, ((0, 0), (0, 1))),  # Each image has an answer.
        result["class_names"],
        title=f"{tuned.config.title}: top-1 "
        f"{100 * result[TUNED]['test_top1']:.1f} %",
    )
    figures.save_png(picture, tuned.directory.confusion)


def print_start(
    config: FinetuneConfig,
    source: Run,
    labelled: Labelled,
    processes: ProcessGroup,
) -> None:
    """Prints the run, the devices, and which labels are used."""
    described = dataclasses.replace(source.config, precision=config.precision)
    training_summary.print_start(source.images, described, {}, processes)
    print(f"encoder of {source.directory.path} after {source.epochs} epochs")
    print(
        f"{labelled.used:,} of {labelled.available:,} labels of "
        f"{labelled.source}, {len(labelled.class_names)} classes: "
        f"{labelled.learn.size:,} to learn from, {labelled.held_out.size:,} "
        "held out to choose by"
    )
    if labelled.left_out:
        print(f"{labelled.left_out:,} test images of other classes left out")
    if labelled.test is None:
        print("no labelled test images, so only held-out images are counted")
    print(end="", flush=True)


def print_head(training: Finetuning, head: Head) -> None:
    """Prints the accuracy of the linear head on the held-out images."""
    split = training.labelled.held_out
    kernel, bias = head
    logits = training.features(split) @ kernel + bias
    print(
        f"linear head: held-out {100 * _top1(logits, split):.1f} %", flush=True
    )


def show(directory: FinetuneDirectory, result: dict[str, Any]) -> None:
    """Prints the results of a finished fine-tuning and the files it wrote."""
    with result_file.using(directory.result):
        print_table(result)
        print_files(directory, result)


def print_table(result: dict[str, Any]) -> None:
    """Prints a line for each classifier, its calibration, and the classes."""
    print(f"\n{'':14}{'test top-1':>11}{'held-out':>11}   epoch")
    for key, name in NAMES.items():
        row = result[key]
        if row is None:
            continue
        top1 = "" if row["test_top1"] is None else percent(row["test_top1"])
        epoch = "weights as they were"
        if "epochs" in row:
            epoch = f"{row['best_epoch']} of {row['epochs']}"
        held = percent(row["held_out_top1"])
        print(f"{name:14}{top1:>11}{held:>11}   {epoch}")
    row, labels = result[TUNED], result["labels"]
    print(
        f"{labels['used']:,} labels; the {labels['held_out']:,} held-out "
        "images chose epoch and temperature, test images nothing"
    )
    text = f"temperature {row['temperature']:.2f}"
    if row["ece"] is not None:
        text += (
            ", expected calibration error "
            f"{percent(row['ece_uncalibrated'])} before, "
            f"{percent(row['ece'])} after"
        )
    print(text)
    if result["per_class"] is not None:
        _print_classes(result)


def _print_classes(result: dict[str, Any]) -> None:
    """Prints the accuracy of each class and its most frequent mistake."""
    names, shares = result["class_names"], result["per_class"]
    shown = [n for n, share in enumerate(shares) if share is not None]
    if len(shown) > _MOST_CLASSES:
        shown = sorted(shown, key=lambda n: shares[n])[:_MOST_CLASSES]
        print(f"\nthe {_MOST_CLASSES} classes with the lowest figures")
    else:
        print()
    width = max(len("class"), *(len(names[n]) for n in shown))
    print(f"{'class':{width}}{'images':>9}{'top-1':>9}   most often taken for")
    for number in shown:
        row = np.array(result["confusion"][number])
        total, row[number] = row.sum(), 0
        wrong = int(row.argmax())
        taken = f"{names[wrong]} ({row[wrong]})" if row[wrong] else ""
        print(
            f"{names[number]:{width}}{total:>9,}"
            f"{percent(shares[number]):>9}   {taken}".rstrip()
        )


def print_files(directory: FinetuneDirectory, result: dict[str, Any]) -> None:
    """Prints the names of the files that the fine-tuning wrote."""
    confusion = f"{directory.confusion.name}: classes by answers"
    scratch = "scratch/: the training from scratch"
    print(f"\nwrote {directory.path}/")
    for text in (
        f"{directory.classifier.name}: the classifier, for Keras alone",
        *([confusion] if result["confusion"] is not None else []),
        f"{directory.curves.name}: the curves of the fine-tuning",
        "result.json: the figures, with their protocol",
        "metrics.csv: one row for each epoch",
        *([scratch] if result[SCRATCH] is not None else []),
        "checkpoints/, linear_head.npz, flags.cfg",
        f"tensorboard/: tensorboard --logdir {directory.path}",
    ):
        print(f"  {text}")
