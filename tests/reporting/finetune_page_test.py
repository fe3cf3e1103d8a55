"""Pages of a real fine-tuning of seconds, held against what it wrote."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from and_tf.finetuning import trainer
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.finetuned import Finetuned
from and_tf.reporting import finetune_page
from tests import mains
from tests.reporting.parsed_page import Page
from tests.small_run import trained_once


def report(path: pathlib.Path, **options) -> Page:
    """Does what the command does."""
    finetune_page.write(Finetuned(path, **options), path / "report.html")
    return Page((path / "report.html").read_text(encoding="utf-8"))


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> pathlib.Path:
    """A fine-tuning in its run, compared with a training from scratch."""
    _, trained = trained_once(
        tmp_path_factory, rounds=0, epochs_per_round=1, baselines=False
    )
    run = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(trained.path, run)
    config = FinetuneConfig(
        run_dir=str(run), epochs=2, head_epochs=5, learning_rate=2e-3
    )
    trainer.finetune(config)
    return config.output_directory


@pytest.fixture(scope="module")
def page(finished) -> Page:
    return report(finished)


@pytest.fixture(scope="module")
def result(finished) -> dict:
    return json.loads((finished / "result.json").read_text())


@pytest.fixture
def edited(finished, tmp_path):
    """Returns a function that makes a copy with another result.json."""

    def make(result: dict) -> pathlib.Path:
        path = tmp_path / "finetune"
        shutil.copytree(finished, path, dirs_exist_ok=True)
        (path / "result.json").write_text(json.dumps(result))
        return path

    return make


def test_figures_are_those_of_the_result(page, result):
    rows = {row[0]: row for row in page.table("Classifiers of the same")[1:]}
    for name, key in (
        ("linear head", "linear_head"),
        ("fine-tuned", "fine_tuned"),
        ("from scratch", "scratch"),
    ):
        found = result[key]
        assert rows[name][1] == percent(found["test_top1"])
        shown = [percent(found[key]) for key in ("held_out_top1", "ece")]
        assert rows[name][3:5] == shown
    tuned = result["fine_tuned"]
    assert rows["fine-tuned"][5] == f"{tuned['best_epoch']} of 2"
    assert page.sections["outcome"].startswith(
        f"How it ended {percent(tuned['test_top1'])} test top-1, fine-tuned"
    )
    assert "450 labels of 10 classes" in page.sections[""]


def test_confusions_are_those_of_the_result(page, result):
    matrix = page.table("Rows: true class")
    counts = np.array(result["confusion"])
    assert matrix[0][1:-1] == [row[0] for row in matrix[1:]]
    assert [int(row[-1]) for row in matrix[1:]] == counts.sum(1).tolist()
    shares = 100 * counts / counts.sum(1, keepdims=True)
    found = np.array([row[1:-1] for row in matrix[1:]], float)
    np.testing.assert_allclose(found, shares, atol=0.51)
    for true, taken, times, _ in page.table("Most confused pairs")[1:]:
        assert counts[int(true), int(taken)] == int(times)


def test_calibration_is_that_of_the_classifier(page, finished, result):
    """Its probabilities of the test images, put into fifteen bins by NumPy."""
    found = Finetuned(finished)
    test = found.images.test
    answers = Finetuned(finished).classifier.predict(test.images, verbose=0)
    sure, right = answers.max(1), answers.argmax(1) == test.labels
    rows = page.table("Answers by their probability")[1:]
    assert sum(int(row[1]) for row in rows) == test.size == 150
    places = np.digitize(sure, np.linspace(0, 1, 16)[1:-1], right=True)
    for place, row in zip(np.unique(places), rows, strict=True):
        members = places == place
        assert int(row[1]) == members.sum()
        assert row[2] == percent(sure[members].mean())
        assert row[3] == percent(right[members].mean())
    text = page.sections["calibration"]
    assert "calibrated" in text  # The line that the curves should be on.
    assert percent(result["fine_tuned"]["ece_uncalibrated"]) in text


def test_samples_are_the_classifiers(page, finished):
    """The surest right answer is the first, and the surest wrong one."""
    found = Finetuned(finished)
    test, answers = found.images.test, found.probabilities
    alts = [image["alt"] for image in page.images()]
    right = answers.argmax(1) == test.labels
    for mask in (right, ~right):
        surest = np.where(mask, answers.max(1), 0).argmax()
        alt = (
            f"{test.labels[surest]}, as {answers[surest].argmax()}, "
            f"{100 * answers[surest].max():.0f} %, digits/test {surest}"
        )
        assert alt in alts


def test_labels_that_were_seen_are_said(page, result, edited):
    assert "had seen no labels" in page.sections[""]
    assert "labels seen before none" in page.sections["learnt"]
    counts = dict(page.table("Images with labels of digits/train")[1:])
    assert counts["in use"] == f"{result['labels']['used']:,}"
    told = {"source": "imagenet", "labels": "ImageNet-1k"}
    run = result["run"] | {"labels_seen": "ImageNet-1k, before the run"}
    path = edited(result | {"pretrained": told, "run": run})
    begun = report(path, evaluates=False).sections[""]
    assert "had seen labels before: ImageNet-1k, before the run" in begun
    assert "which have seen ImageNet-1k. Labels have helped" in begun


def test_results_of_older_versions_are_read(result, edited):
    """They had the run under another name, and no curve of calibration."""
    old = dict(result)
    old["pretrained"] = old.pop("run") | {
        "labels_seen": "ImageNet-1k, before the run"
    }
    del old["reliability"], old["teacher"]
    path = edited(old)
    found = Finetuned(path).result
    assert found["run"] == old["pretrained"]
    assert found["pretrained"]["labels"] == "ImageNet-1k"
    page = report(path, evaluates=False)
    assert "ImageNet-1k" in page.sections[""]
    assert "an older version" in page.sections["calibration"]


def test_without_test_images_the_page_says_so(result, edited):
    alone = json.loads(json.dumps(result))
    for key in ("linear_head", "fine_tuned", "scratch"):
        alone[key] |= dict.fromkeys(
            ("test_top1", "ece", "ece_uncalibrated"), None
        )
    alone |= dict.fromkeys(("per_class", "confusion", "reliability"), None)
    page = report(edited(alone), evaluates=False)
    assert "they are too good" in page.sections[""]
    held_out = percent(result["fine_tuned"]["held_out_top1"])
    assert f"{held_out} held-out top-1" in page.sections["outcome"]
    assert "none" in page.sections["confusion"]
    assert "samples" not in page.sections


def test_what_is_missing_is_said(result, edited):
    """A fine-tuning without its classifier has all but its samples."""
    path = edited(result)
    (path / "classifier.keras").unlink()
    (path / "metrics.csv").unlink()
    page = report(path)
    assert "could not be loaded" in page.sections[""]
    assert "--data_dir" in page.sections["samples"]
    assert "no metrics.csv" in page.sections["curves"]
    assert page.table("Rows: true class")


def test_the_page_needs_nothing_beside_itself(finished, page):
    assert not page.unclosed
    text = (finished / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://|url\(|@import", text)
    links = {a["href"][1:] for tag, a in page.elements if tag == "a"}
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert links <= set(ids) and len(ids) == len(set(ids))


def test_the_command_writes_a_fine_tunings_page(finished, tmp_path, capsys):
    output = tmp_path / "page.html"
    arguments = [f"--run_dir={finished}", f"--output={output}", "--noevaluate"]
    mains.run("and_tf.report", arguments)
    page = Page(output.read_text(encoding="utf-8"))
    assert "--noevaluate" in page.sections["samples"]
    assert "python -m and_tf.finetune" in page.sections["reproduction"]
    arguments.append("--checkpoint=best")
    printed = mains.refusal("and_tf.report", arguments, capsys)
    assert "is a fine-tuning and keeps its last only" in printed.err
