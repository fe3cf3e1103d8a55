"""Whole fine-tunings of seconds: what they learn, write and resume."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.special import softmax
from sklearn.metrics import confusion_matrix

from and_tf.evaluation.calibration import expected_calibration_error
from and_tf.finetuning import labelling, trainer
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import FinetuneDirectory
from and_tf.finetuning.model import trunk_of
from and_tf.training.run import Run
from and_tf.utils.errors import InputError, Interrupted
from and_tf.utils.flag_config import from_flagfile
from tests.export.saved_model_test import elsewhere
from tests.on_replicas import on_replicas
from tests.same_run import assert_same_arrays, events, rows_of
from tests.small_run import Stop


def test_labels_help_a_barely_trained_encoder(finished):
    _, result, directory = finished
    tuned, linear, scratch = (
        result[name] for name in ("fine_tuned", "linear_head", "scratch")
    )
    assert tuned["test_top1"] > 0.8 > 0.1  # A tenth by chance.
    assert tuned["test_top1"] > linear["test_top1"] + 0.05
    assert linear["test_top1"] > 0.5 and scratch["test_top1"] > 0.3
    rows = rows_of(directory.metrics)
    best = max(float(row["held_out_top1"]) for row in rows)
    assert tuned["held_out_top1"] == best
    first = [float(row["held_out_top1"]) for row in rows].index(best)
    assert tuned["best_epoch"] >= first + 1
    assert len(rows_of(directory.scratch.metrics)) == scratch["epochs"]


def test_directory_has_what_is_promised(finished):
    config, result, directory = finished
    assert json.loads(directory.result.read_text()) == result
    labels = result["labels"]
    assert labels["used"] == labels["available"] == 450
    assert labels["learnt_from"] + labels["held_out"] == 450
    assert labels["test"] == 150
    assert result["run"]["labels_seen"] == "none"
    assert "nothing" in result["protocol"]["chosen_by_test"]
    for path in (
        directory.confusion, directory.curves, directory.scratch.curves,
    ):  # fmt: skip
        with Image.open(path) as picture:
            assert min(picture.size) > 300


@pytest.fixture(scope="module")
def answers(finished, tmp_path_factory) -> dict[str, np.ndarray]:
    """The file's probabilities of test images, by Keras alone elsewhere."""
    config, _, directory = finished
    place = tmp_path_factory.mktemp("elsewhere")
    np.save(place / "images.npy", Run(config.run_dir).images.test.images)
    script = f"""
import json, sys, zipfile
import keras
import numpy as np
path = {str(directory.classifier)!r}
model = keras.models.load_model(path)
with zipfile.ZipFile(path) as file:
    metadata = json.loads(file.read("metadata.json"))
images = np.load("images.npy")
np.savez(
    "found.npz",
    probabilities=model.predict(images, verbose=0),
    names=metadata["class_names"],
    dtype=model.inputs[0].dtype,
)
print(*({{"and_tf", "export"}} & set(sys.modules)))
"""
    assert not elsewhere(sys.executable, "-I", "-c", script, cwd=place).strip()
    with np.load(place / "found.npz") as found:
        return dict(found)


def test_keras_alone_opens_the_classifier(finished, answers):
    config, result, _ = finished
    found, labels = answers["probabilities"], _test_labels(config)
    assert str(answers["dtype"]) == "uint8"
    assert answers["names"].tolist() == result["class_names"]
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    right = found.argmax(1) == labels
    assert right.mean() == pytest.approx(result["fine_tuned"]["test_top1"])
    np.testing.assert_array_equal(
        confusion_matrix(labels, found.argmax(1)), result["confusion"]
    )
    for number, share in enumerate(result["per_class"]):
        assert share == pytest.approx(right[labels == number].mean())


def test_its_probabilities_are_the_calibrated_ones(finished, answers):
    config, result, directory = finished
    found, labels = answers["probabilities"], _test_labels(config)
    tuned = result["fine_tuned"]
    assert expected_calibration_error(found, labels) == pytest.approx(
        tuned["ece"], abs=1e-4
    )
    hotter = softmax(np.log(found) * tuned["temperature"], axis=1)
    assert expected_calibration_error(hotter, labels) == pytest.approx(
        tuned["ece_uncalibrated"], abs=1e-4
    )
    assert zipfile.ZipFile(directory.classifier).testzip() is None


def _test_labels(config) -> np.ndarray:
    return Run(config.run_dir).images.test.labels


def test_the_linear_head_is_that_of_the_weights_as_they_were(finished):
    """And the run's own encoder is not changed."""
    config, result, directory = finished
    run = Run(config.run_dir)
    features = trunk_of(run.encoder).predict(run.images.test.images, verbose=0)
    with np.load(directory.head) as head:
        logits = features @ head["kernel"] + head["bias"]
    top1 = (logits.argmax(1) == run.images.test.labels).mean()
    assert top1 == pytest.approx(result["linear_head"]["test_top1"])


def _stop(monkeypatch, callback) -> None:
    monkeypatch.setattr(trainer, "Progress", lambda *_, **__: callback)


def test_resumed_is_the_same_to_the_bit(finished, tmp_path, monkeypatch):
    """Ended in the fine-tuning, and in the training from scratch after it."""
    config, _, whole = finished
    config = dataclasses.replace(
        config, output_dir=str(tmp_path / "parts"), checkpoint_steps=2
    )
    parts = FinetuneDirectory(config.output_directory)
    for stops, place, reached in (
        ([Stop(2, 3)], parts, (2, 2)),
        ([Stop(-1), Stop(3)], parts.scratch, (3, 0)),
    ):
        planned = iter(stops)
        with monkeypatch.context() as patch:
            patch.setattr(trainer, "Progress", lambda *_, **__: next(planned))
            with pytest.raises(Stop.Interruption):
                trainer.finetune(config)
        kept = place.checkpoints.latest()
        assert (kept.epochs, kept.step) == reached
        assert not parts.result.exists()
        config = dataclasses.replace(config, resume=True)
    trainer.finetune(config)
    assert_same_arrays(whole.head, parts.head)
    for one, other in ((whole, parts), (whole.scratch, parts.scratch)):
        assert_same_arrays(
            one.checkpoints.paths()[-1], other.checkpoints.paths()[-1]
        )
        assert rows_of(one.metrics) == rows_of(other.metrics)
        expected, received = (events(d.tensorboard) for d in (one, other))
        assert sorted(expected) == sorted(received)
    before, after = whole.read_result(), parts.read_result()
    for key in ("fine_tuned", "linear_head", "scratch", "confusion"):
        assert before[key] == after[key]
    weights = [
        keras.models.load_model(d.classifier).get_weights()
        for d in (whole, parts)
    ]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_signal_keeps_the_step(config, tmp_path, monkeypatch):
    class Send(Stop):
        def on_train_batch_end(self, batch, logs=None):
            if (self._now, batch) == (1, 1):
                os.kill(os.getpid(), signal.SIGTERM)

    made = config(tmp_path / "out", head_epochs=1)
    _stop(monkeypatch, Send(-1))
    with pytest.raises(Interrupted, match="step 3 of epoch 2"):
        trainer.finetune(made)
    kept = FinetuneDirectory(made.output_directory).checkpoints.latest()
    assert (kept.epochs, kept.step) == (1, 3)
    # With other labels it is another fine-tuning.
    again = dataclasses.replace(made, resume=True)
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n0,a\n1,b\n2,a\n3,b\n4,b\n")
    with pytest.raises(InputError, match="Expected the labels that the"):
        trainer.finetune(dataclasses.replace(again, labels=str(table)))
    with pytest.raises(InputError, match="can be resumed only with the flags"):
        trainer.finetune(dataclasses.replace(again, held_out=0.5))
    with pytest.raises(InputError, match="Add --resume"):
        trainer.finetune(made)


def test_the_best_epoch_is_kept_and_training_ends(
    config, tmp_path, monkeypatch, capsys
):
    """After `patience` epochs that are no better; and it is shown again."""
    told = iter([0.5, 0.9, 0.7, 0.9, 0.9, 0.9])

    class Planned(trainer.HeldOut):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            logs["held_out_top1"], logs["held_out_loss"] = next(told), 1.0

    monkeypatch.setattr(trainer, "HeldOut", Planned)
    made = config(
        tmp_path / "out", patience=3, head_epochs=1, labelled_fraction=0.1
    )
    result = trainer.finetune(made)
    assert (result["fine_tuned"]["epochs"], result["epochs"]) == (5, 5)
    assert result["fine_tuned"]["best_epoch"] == 2
    assert result["scratch"] is None and result["labels"]["used"] == 45
    directory = FinetuneDirectory(made.output_directory)
    kept = directory.checkpoints.best(2)
    kernel, bias = kept.arrays("method")
    saved = keras.models.load_model(directory.classifier)
    temperature = result["fine_tuned"]["temperature"]
    np.testing.assert_allclose(
        saved.get_layer("classifier").kernel, kernel / temperature, rtol=1e-6
    )
    before = directory.result.read_bytes()
    capsys.readouterr()
    assert trainer.finetune(dataclasses.replace(made, resume=True)) == result
    assert directory.result.read_bytes() == before
    assert "fine-tuned" in capsys.readouterr().out
    # The comparison can be added, and trains nothing else again.
    later = dataclasses.replace(made, resume=True, compare=True, epochs=8)
    told = iter([0.1] * 8)
    result = trainer.finetune(later)
    assert result["scratch"]["epochs"] == 4
    assert result["fine_tuned"]["epochs"] == 5


def test_statistics_are_kept_or_learnt(finished, config, tmp_path):
    """Those of batch norm; its scales learn in any case."""
    made, _, directory = finished
    before = Run(made.run_dir).checkpoint
    names = [v.path for v in Run(made.run_dir).encoder.variables]
    begun = dict(zip(names, before.arrays("encoder"), strict=True))
    learning = config(
        tmp_path / "out", freeze_statistics=False, epochs=1, head_epochs=1
    )
    trainer.finetune(learning)
    learnt = FinetuneDirectory(learning.output_directory)
    trunk = [v.path for v in trunk_of(Run(made.run_dir).encoder).variables]
    for place, keeps in ((directory, True), (learnt, False)):
        arrays = place.checkpoints.latest().arrays("encoder")
        for name, array in zip(trunk, arrays, strict=True):
            same = np.array_equal(array, begun[name])
            assert same == (keeps and "moving" in name), name


def finetuned(
    strategy: tf.distribute.Strategy, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """Fine-tunes as the flagfile in a directory says, on several devices."""
    trainer.strategy.build = lambda *_: strategy
    made = from_flagfile(FinetuneConfig, directory / "two.flags")
    result = trainer.finetune(made)
    return {
        name: np.array(result[name]["held_out_loss"])
        for name in ("fine_tuned", "linear_head")
    }


def test_two_devices_learn_the_same(config, tmp_path):
    made = config(
        tmp_path / "one", epochs=1, head_epochs=5, batch_size=30,
        labelled_fraction=0.3,
    )  # fmt: skip
    one = trainer.finetune(made)
    other = dataclasses.replace(made, output_dir=str(tmp_path / "two"))
    (tmp_path / "two.flags").write_text(other.to_flagfile())
    two = on_replicas(finetuned, 2, tmp_path)
    losses = [
        [float(row["loss"]) for row in rows_of(tmp_path / d / "metrics.csv")]
        for d in ("one", "two")
    ]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    for name, loss in two.items():
        assert loss == pytest.approx(one[name]["held_out_loss"], rel=1e-2)


def test_without_test_labels_only_held_out_images_are_counted(
    config, tmp_path, capsys
):
    table = tmp_path / "labels.csv"
    lines = [f"{n},{'odd' if n % 2 else 'even'}" for n in range(60)]
    table.write_text("\n".join(["file,label", *lines]))
    made = config(tmp_path / "out", labels=str(table), epochs=1, head_epochs=1)
    result = trainer.finetune(made)
    assert result["class_names"] == ["even", "odd"]
    assert result["fine_tuned"]["test_top1"] is None
    assert result["confusion"] is None
    directory = FinetuneDirectory(made.output_directory)
    assert not directory.confusion.exists()
    assert "no labelled test images" in capsys.readouterr().out


def test_several_processes_are_refused(config, tmp_path, monkeypatch):
    class Several:
        several = True

    monkeypatch.setattr(trainer, "ProcessGroup", lambda *_: Several())
    with pytest.raises(InputError, match="Expected one process"):
        trainer.finetune(config(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_half_precision_gives_a_file_in_float32(config, tmp_path):
    made = config(
        tmp_path / "out", precision="mixed_bfloat16", epochs=1, head_epochs=1
    )
    try:
        result = trainer.finetune(made)
    finally:
        keras.config.set_dtype_policy("float32")
    directory = FinetuneDirectory(made.output_directory)
    model = keras.models.load_model(directory.classifier)
    assert all(layer.compute_dtype == "float32" for layer in model.layers[1:])
    images = Run(pathlib.Path(made.run_dir)).images
    test = labelling.choose(images, made).test
    right = model.predict(test.images, verbose=0).argmax(1) == test.labels
    assert right.mean() == pytest.approx(
        result["fine_tuned"]["test_top1"], abs=0.05
    )
    assert tf.as_dtype(model.outputs[0].dtype) == tf.float32
