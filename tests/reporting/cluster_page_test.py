"""Pages of real clusterings of seconds, held against what they wrote."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from and_tf.reporting import cluster_page
from and_tf.scan.clustering import Clustering
from and_tf.training import trainer
from tests import mains
from tests.reporting.parsed_page import Page
from tests.small_clustering import cluster
from tests.small_run import digits, folder, trained_once


def report(path: pathlib.Path, **options) -> Page:
    """Does what the command does."""
    found = Clustering(path, **options)
    cluster_page.write(found, path / "report.html")
    return Page((path / "report.html").read_text(encoding="utf-8"))


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> pathlib.Path:
    """A clustering in its run."""
    _, trained = trained_once(tmp_path_factory, rounds=0, baselines=False)
    run = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(trained.path, run)
    return cluster(run, run / "scan")


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("unlabelled")
    photos = folder(path / "photos", labelled=False, test=False)
    config = digits(
        path, dataset="folder", data_dir=photos, image_size=8, batch_size=8,
        rounds=0, epochs_per_round=1, baselines=False,
    )  # fmt: skip
    trainer.train(config)
    return cluster(
        path / "run", path / "scan", clusters=3, neighbours=3, batch_size=8,
        epochs=1, heads=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(finished) -> Page:
    return report(finished)


@pytest.fixture(scope="module")
def result(finished) -> dict:
    return json.loads((finished / "result.json").read_text())


def test_labels_that_first_weights_have_seen_are_said(
    finished, result, tmp_path
):
    assert result["pretrained"] is None  # As its encoder began at random.
    path = tmp_path / "scan"
    shutil.copytree(finished, path)
    for labels, said in (
        ("ImageNet-1k", "which have seen ImageNet-1k. Labels have helped"),
        ("unknown", "which have seen unknown labels. Labels have helped"),
        ("none", "which have seen no labels."),
    ):
        told = {"pretrained": {"source": "imagenet", "labels": labels}}
        (path / "result.json").write_text(json.dumps(result | told))
        begun = report(path, evaluates=False).sections[""]
        assert said in begun
        assert ("Labels have helped" in begun) == (labels != "none")


def test_figures_are_those_of_the_result(page, result):
    rows = {row[0]: row for row in page.table("ACC, NMI and ARI")[1:]}
    steps = (
        ("k-means", result["kmeans"]),
        ("SCAN", result["after_clustering"]),
    )
    for name, found in steps:
        expected = [percent(found[key]) for key in ("acc", "nmi", "ari")]
        assert [rows[name][1], *rows[name][3:5]] == expected
    agreement = dict(page.table("Neighbours that have")[1:])
    assert agreement == {
        "training images": percent(result["neighbours_agreement"]["train"]),
        "digits/test": percent(result["neighbours_agreement"]["evaluation"]),
    }


def test_sizes_and_confusion_are_those_of_the_result(page, result):
    sizes = page.table("Clusters, the largest first")[1:]
    named = {int(row[0].split()[0]): row for row in sizes}
    for number, size in enumerate(result["cluster_sizes"]):
        label = result["matching"][number]
        assert named[number][:2] == [f"{number} → {label}", f"{size:,}"]
    matrix = page.table("Rows: true class")
    counts = np.array(result["confusion"])[:, :10]
    assert [int(row[-1]) for row in matrix[1:]] == counts.sum(1).tolist()
    shares = 100 * counts / counts.sum(1, keepdims=True)
    found = np.array([row[1:-1] for row in matrix[1:]], float)
    np.testing.assert_allclose(found, shares, atol=0.51)


def test_samples_are_the_models(page, finished, result):
    """The first tile of a cluster is the one that the model is surest of."""
    found = Clustering(finished)
    model = Clustering(finished).classifier
    probabilities = model.predict(found.queries.images, verbose=0)
    text = page.sections["samples"]
    alts = [image["alt"] for image in page.images()]
    for number, prototype in enumerate(result["prototypes"]):
        if prototype < 0:
            continue
        assert f"{number} → {result['matching'][number]}" in text
        shown = f"{100 * probabilities[prototype, number]:.0f} %"
        label = found.queries.labels[prototype]
        assert f"{label}, {shown}, digits/test {prototype}" in alts


@pytest.mark.parametrize("which", ["finished", "unlabelled"])
def test_the_page_needs_nothing_beside_itself(which, request):
    path = request.getfixturevalue(which)
    page = report(path)
    assert not page.unclosed
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe"}
    text = (path / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://|url\(|@import", text)
    assert all(image["alt"].strip() for image in page.images())
    assert all(
        image["src"].startswith("data:image/") for image in page.images()
    )
    links = {a["href"][1:] for tag, a in page.elements if tag == "a"}
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert links <= set(ids) and len(ids) == len(set(ids))


def test_without_labels_clusters_have_numbers(unlabelled):
    page = report(unlabelled)
    assert "The images have no labels" in page.sections[""]
    assert "clusters used" in page.sections["outcome"]
    assert "ACC" not in page.sections["outcome"]
    assert "This needs labels" in page.sections["confusion"]
    assert "cluster 0" in page.sections["sizes"]
    assert "Without labels it is not known" in page.sections["neighbours"]


def test_one_below_k_means_says_so(finished, tmp_path, result):
    path = tmp_path / "scan"
    shutil.copytree(finished, path)
    compared = {**result["kmeans"], "acc": 0.99}
    low = {**result, "acc": 0.1, "kmeans": compared}
    (path / "result.json").write_text(json.dumps(low))
    said = "SCAN ends below k-means on the same encoder, 10.0 % to 99.0 %"
    assert said in report(path, evaluates=False).sections[""]
    high = {**result, "acc": 0.999, "kmeans": compared}
    (path / "result.json").write_text(json.dumps(high))
    assert "below" not in report(path, evaluates=False).sections[""]


def test_steps_and_labels_that_were_used_are_said(finished, tmp_path, result):
    path = tmp_path / "scan"
    shutil.copytree(finished, path)
    told = {
        **result,
        "acc": 0.75,
        "uses_labels": True,
        "pretext": {**result["pretext"], "pretext": "supervised"},
        "self_labelling": {"epochs": 3},
    }
    (path / "result.json").write_text(json.dumps(told))
    page = report(path, evaluates=False)
    rows = {row[0]: row for row in page.table("ACC, NMI and ARI")[1:]}
    assert rows["oracle"][1] == percent(result["after_clustering"]["acc"])
    assert rows["+ self-labelling"][1] == "75.0 %"
    assert "--mining=oracle" in page.sections[""]
    assert "--pretext=supervised" in page.sections[""]


def test_what_is_missing_is_said(finished, tmp_path, capsys):
    """A clustering without its run, its checkpoints and its pictures."""
    path = tmp_path / "scan"
    shutil.copytree(finished, path)
    shutil.rmtree(path / "checkpoints")
    (path / "prototypes.png").unlink()
    page = report(path)
    assert "could not be loaded" in page.sections[""]
    assert "--data_dir" in page.sections["samples"]
    assert "prototypes" not in page.sections
    assert page.table("Rows: true class")
    (path / "result.json").unlink()
    printed = mains.refusal("and_tf.report", [f"--run_dir={path}"], capsys)
    assert "error: The clustering in" in printed.err


def test_the_command_writes_a_clusterings_page(finished, tmp_path, capsys):
    output = tmp_path / "page.html"
    arguments = [f"--run_dir={finished}", f"--output={output}", "--noevaluate"]
    mains.run("and_tf.report", arguments)
    page = Page(output.read_text(encoding="utf-8"))
    assert "--noevaluate" in page.sections["samples"]
    assert "python -m and_tf.cluster" in page.sections["reproduction"]
    arguments.append("--checkpoint=best")
    printed = mains.refusal("and_tf.report", arguments, capsys)
    assert "Expected --checkpoint=last, as" in printed.err
