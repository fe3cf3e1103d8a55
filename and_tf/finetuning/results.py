"""Collects and writes the results of a fine-tuning."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from and_tf import figures
from and_tf.data.pixel_format import PixelFormat
from and_tf.evaluation import calibration
from and_tf.finetuning import classifier_file, console
from and_tf.finetuning.experiment import Finetuning, best_epoch
from and_tf.finetuning.scoring import LINEAR, NAMES, TABLES, TUNED, evaluate
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.results import machine
from and_tf.training.run import Run
from and_tf.training.run_directory import versions
from and_tf.utils import checkpoint_names

Head = tuple[np.ndarray, np.ndarray]


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
    console.show(tuned.directory, result)
    return result


def make_result(
    tuned: Finetuning,
    found: Mapping[str, dict[str, Any]],
    recorders: Mapping[str, Recorder],
) -> dict[str, Any]:
    """Collects the content of result.json."""
    config, source, labelled = tuned.config, tuned.source, tuned.labelled
    rates = [row["images_per_second"] for row in recorders[TUNED].history]
    compared = {
        name: {k: v for k, v in found[name].items() if k not in TABLES}
        if name in found
        else None
        for name in NAMES
    }
    return {
        "kind": "finetuning",
        "dataset": source.config.dataset,
        "backbone": source.config.encoder,
        "image_size": source.image_size,
        **source.form.description,
        "num_examples": source.images.train.size,
        "uses_labels": True,
        **compared,
        "class_names": list(labelled.class_names),
        "dataset_labels": labelled.dataset_labels,
        **{name: found[TUNED][name] for name in TABLES},
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
        # As in the result of a training.
        "pretrained": source.pretrained,
        "teacher": source.teacher,
        "run": {
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
        "machine": machine(),
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


def _input(form: PixelFormat) -> str:
    channels = "RGB" if form.channels == 3 else f"{form.channels} channels"
    if not form.ranged:
        return f"uint8 [B, S, S, {form.channels}], {channels}, values 0..255"
    return (
        f"uint8 [B, S, S, {form.channels}], {channels}, 0..255 for values of "
        "files between the two of pixel_range"
    )


def _described(tuned: Finetuning) -> dict[str, Any]:
    """Returns what the classifier's file says of it, beside the network."""
    return {
        "class_names": list(tuned.labelled.class_names),
        "image_size": tuned.source.image_size,
        "input": _input(tuned.source.form),
        **tuned.source.form.description,
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
