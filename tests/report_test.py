"""Pages of real runs of seconds, held against what the runs wrote."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from and_tf import protocols
from and_tf.protocols import embedding
from and_tf.protocols.config import Options
from and_tf.reporting import run_page
from and_tf.training import trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import from_flagfile
from tests import mains
from tests.reporting.parsed_page import Page
from tests.small_run import digits, folder, interrupted
from tests.utils.cli_test import call

HOSTILE = '<b>&"'


@pytest.fixture(scope="module", autouse=True)
def quick_map():
    """Two of the embedding's axes as the map, which t-SNE takes seconds for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "tsne", lambda rows, seed: rows[:, :2])
        yield


def report(path: pathlib.Path, **options) -> Page:
    """Does what the command does."""
    loaded = Run(path, **options)
    if not loaded.missing and loaded.evaluates:
        run_page.complete(loaded)
    run_page.write(loaded, path / "report.html")
    return read(path)


def read(path: pathlib.Path) -> Page:
    return Page((path / "report.html").read_text(encoding="utf-8"))


def result_of(path: pathlib.Path) -> dict:
    return json.loads((path / "result.json").read_text())


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> pathlib.Path:
    """A run, and its page."""
    path = tmp_path_factory.mktemp("finished") / "run"
    changes = {"epochs_per_round": 1, "neighbourhood_size": 2}
    trainer.train(digits(path.parent, **changes))
    report(path)
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> pathlib.Path:
    """A run whose class has a name that is markup, and its page."""
    path = tmp_path_factory.mktemp("hostile")
    photos = pathlib.Path(folder(path / "photos", labelled=True, test=True))
    for place in photos.glob("*/dark"):
        place.rename(place.with_name(HOSTILE))
    trainer.train(
        digits(
            path, dataset="folder", data_dir=str(photos), image_size=8,
            batch_size=8, rounds=1, epochs_per_round=1,
        )
    )  # fmt: skip
    report(path / "run")
    return path / "run"


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("unlabelled")
    photos = folder(path / "photos", labelled=False, test=False)
    trainer.train(
        digits(
            path, dataset="folder", data_dir=photos, image_size=8,
            batch_size=8, rounds=1, epochs_per_round=1,
        )
    )  # fmt: skip
    report(path / "run")
    return path / "run"


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> pathlib.Path:
    """A run without epochs, from an encoder that has seen labels; its page."""
    path = tmp_path_factory.mktemp("untrained")
    once = {"rounds": 0, "initial_epochs": 1, "baselines": False}
    trainer.train(digits(path, "before", pretext="supervised", **once))
    trainer.train(
        digits(
            path, encoder=str(path / "before"), rounds=0, initial_epochs=0
        )
    )  # fmt: skip
    report(path / "run")
    return path / "run"


def test_figures_are_those_of_the_result(finished):
    page, result = read(finished), result_of(finished)
    rows = {row[0]: row for row in page.table("kNN top-1 at the end")}
    for name, share in result["knn_baselines"].items():
        assert rows[name][1] == percent(share)
    for found in result["neighbourhoods"]:
        number = found["round"]
        row = rows[f"round {number}" if number else "instance learning"]
        assert row[1] == percent(found["knn_clean"])
        if number:
            assert row[3:] == [
                f"{found['selected']:,}",
                percent(found["consistency"]),
            ]
    outcome = page.sections["outcome"]
    assert "trained by --pretext" not in outcome
    assert outcome.startswith(
        f"How it ended {percent(result['knn_top1_last'])}"
    )
    assert percent(result["knn_top1_best"]) in outcome


def test_confusions_are_those_of_the_result(finished):
    """The matrix is computed anew, and comes to the run's own accuracy."""
    page, result = read(finished), result_of(finished)
    matrix = page.table("Rows: true class")
    names, rows = matrix[0][1:-1], matrix[1:]
    assert [row[0] for row in rows] == names == list(map(str, range(10)))
    shares = np.array([row[1:-1] for row in rows], float)
    queries = np.array([row[-1] for row in rows], float)
    assert queries.sum() == 150
    right = (shares.diagonal() * queries).sum() / 150 / 100
    assert right == pytest.approx(result["knn_top1_last"], abs=0.006)
    assert (
        f"{percent(result['knn_top1_last'])} are right"
        in (page.sections["confusion"])
    )
    pairs = page.table("Most confused pairs")[1:]
    whole = dict(zip(names, queries, strict=True))
    for true, taken_for, count, _ in pairs:
        share = shares[names.index(true), names.index(taken_for)]
        assert share == pytest.approx(100 * int(count) / whole[true], abs=0.51)


def test_neighbourhoods_and_embedding_are_the_protocols(finished):
    page, evaluated = read(finished), result_of(finished)["evaluation"]
    rows = page.table("Neighbourhoods of k = 2")[1:]
    for row, figures in zip(
        rows, evaluated["neighbourhoods"]["rounds"], strict=True
    ):
        assert row[:5] == [
            f"round {figures['round']}",
            *(str(figures[k]) for k in ("anchors", "consistent")),
            str(figures["inconsistent"]),
            percent(figures["consistency"]),
        ]
    pull = percent(evaluated["neighbourhoods"]["neighbours_pull"])
    assert f"its neighbours have {pull}," in page.sections["neighbourhoods"]
    hubs = page.table("150 images of digits/test")
    figures = evaluated["embedding"]
    assert hubs[1] == [
        "hubness, skewness of N10",
        f"{figures['hubness_skewness']:.2f}".replace("-", "−"),
    ]


def test_what_was_asked_for_besides_is_shown(finished, tmp_path):
    path = shutil.copytree(finished, tmp_path / "run")
    figures = protocols.evaluate(
        Run(path), ["knn", "kmeans"], Options(kmeans_seeds=2)
    )
    page = report(path, evaluates=False)
    knn, kmeans = figures["knn"], figures["kmeans"]
    kinds = ("top1", "top5", "nearest")
    assert page.table("150 queries of digits/test")[1:] == [
        [name, *(percent(knn[f"{key}_{f}"]) for f in kinds)]
        for key, name in (
            ("clean", "clean embeddings"), ("bank", "memory bank"),
        )
    ]  # fmt: skip
    shown = dict(page.table("10 clusters, fit on")[1:])
    both = (100 * kmeans[key] for key in ("acc", "acc_std"))
    assert shown["ACC"] == "{:.1f} ± {:.1f} %".format(*both)
    assert shown["silhouette"] == f"{kmeans['silhouette']:.3f}"


def test_a_gallery_a_round_has_its_neighbours(finished):
    """An anchor's tiles are those that the round's file names."""
    page = read(finished)
    numbers = [
        int(image["alt"].rpartition(" ")[2])
        for image in page.images()
        if "digits/train" in image["alt"]
    ]
    with np.load(finished / "neighbourhoods" / "round_1.npz") as found:
        assert found["selected"][numbers[0]]
        assert found["neighbours"][numbers[0]].tolist() == numbers[1:3]
    text = page.sections["neighbourhoods"]
    assert "Round 1: 225 anchors" in text and "Round 2: 450 anchors" in text


PAGES = ["finished", "hostile", "unlabelled", "untrained"]


@pytest.mark.parametrize("which", PAGES)
def test_the_page_needs_nothing_beside_itself(which, request):
    path = request.getfixturevalue(which)
    page = read(path)
    assert not page.unclosed
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe"}
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            value = attributes.get(name, "#")
            assert value.startswith(("data:image/", "#")), value[:80]
    text = (path / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://|url\(|@import", text)


@pytest.mark.parametrize("which", PAGES)
def test_what_is_seen_is_said(which, request):
    """Alternatives, heads' scopes, and links that lead somewhere."""
    page = read(request.getfixturevalue(which))
    assert page.images() and all(i["alt"].strip() for i in page.images())
    heads = [attributes for tag, attributes in page.elements if tag == "th"]
    assert heads and all(h["scope"] in ("col", "row") for h in heads)
    drawn = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert drawn and all(d["aria-label"] for d in drawn)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for tag, a in page.elements if tag == "a"}
    assert links and links <= set(ids)


def test_names_of_classes_are_text(hostile):
    page = read(hostile)
    assert not any(tag == "b" and a for tag, a in page.elements)
    assert HOSTILE in page.table("Rows: true class")[0]
    assert any(image["alt"].startswith(HOSTILE) for image in page.images())
    assert "<b>&" not in (hostile / "report.html").read_text()


def test_a_run_without_labels_has_all_else(unlabelled):
    page = read(unlabelled)
    assert "The images have no labels" in page.sections[""]
    assert "This needs labels" in page.sections["confusion"]
    assert "Round 1: 24 anchors" in page.sections["neighbourhoods"]
    samples = page.sections["samples"]
    assert "Most certain" in samples and "Least certain" in samples
    with np.load(unlabelled / "neighbourhoods" / "round_1.npz") as found:
        assert f"H {found['entropy'].min():.2f}" in samples
        assert f"H {found['entropy'].max():.2f}" in samples
    assert "hubness" in page.sections["embedding"]
    assert "linear" not in page.sections


@pytest.mark.parametrize(
    ("pretext", "said"),
    [
        ("supervised", "supervised, with the labels: its figures show what"),
        ("rotation", "rotation, not by neighbourhood discovery; no label was"),
    ],
)
def test_a_pretext_without_rounds(tmp_path, capsys, pretext, said):
    trainer.train(digits(tmp_path, pretext=pretext, rounds=0, initial_epochs=2))
    page = report(tmp_path / "run")
    assert "left out: Expected a run with a memory" in capsys.readouterr().out
    assert not {"neighbourhoods", "attention"} & set(page.sections)
    rows = page.table("kNN top-1 at the end, and before the first step")
    top1 = result_of(tmp_path / "run")["knn_top1_last"]
    assert rows[-1][:2] == [pretext, percent(top1)]
    assert "instance" not in page.sections["curves"]
    assert f"trained by --pretext={said}" in page.sections["outcome"]


def test_a_run_without_epochs_has_its_neighbours(untrained):
    """Those of a plain search among the encoder's own embeddings."""
    run = Run(untrained)
    train = run.images.train
    rows = run.model.predict(train.images, verbose=0)
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -2)
    found = np.argsort(-similarity, axis=1)[:, :5]
    share = (train.labels[found] == train.labels[:, None]).mean()

    page, result = read(untrained), result_of(untrained)
    assert result["neighbours"]["k"] == 5
    assert result["neighbours"]["consistency"] == pytest.approx(share, abs=1e-3)
    assert (untrained / "neighbours.png").is_file()
    outcome = page.sections["outcome"]
    assert outcome.startswith(
        f"How it ended {percent(result['knn_top1_last'])} kNN top-1, without"
    )
    assert f"{percent(result['neighbours']['consistency'])} of the" in outcome
    row = page.table("The 5 nearest neighbours of each training image")[1]
    assert row[:2] == ["start", "450"]
    assert "450 images Each image with" in page.sections["neighbourhoods"]


def test_a_run_without_epochs_says_what_it_is(untrained, tmp_path):
    page = read(untrained)
    begun = page.sections[""]
    assert "which have seen the labels of digits. Labels have helped" in begun
    assert "not trained" in begun and "kmeans" in page.sections
    assert not {"curves", "attention"} & set(page.sections)
    text = (untrained / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"\b0 epochs|epoch 0|round 0\b", text)

    photos = folder(tmp_path / "photos", labelled=False, test=False)
    trainer.train(
        digits(
            tmp_path, dataset="folder", data_dir=photos, rounds=0,
            encoder=str(untrained), initial_epochs=0, batch_size=8,
        )
    )  # fmt: skip
    page, result = report(tmp_path / "run"), result_of(tmp_path / "run")
    assert result["neighbours"] == {"k": 5, "consistency": None}
    assert "24 images Each image with" in page.sections["neighbourhoods"]
    assert "Most certain" in page.sections["samples"]
    assert (tmp_path / "run" / "neighbours.png").is_file()


def test_a_run_that_is_not_finished(tmp_path, monkeypatch):
    interrupted(digits(tmp_path), epoch=3, monkeypatch=monkeypatch)
    page = report(tmp_path / "run")
    assert "not finished: 3 of 6 epochs" in page.sections[""]
    # Round 1 is half done: its figure is still to come, its anchors are here.
    last = page.table("kNN top-1 at the end")[-1]
    assert last[0] == "round 1" and last[1] == "–" and last[3] == "225"
    asked = "kNN top-1 of the checkpoint shown, after 3 epochs"
    assert asked in page.sections["outcome"]
    assert "are right" in page.sections["confusion"]


def test_a_run_before_its_first_round(tmp_path, monkeypatch):
    interrupted(digits(tmp_path), epoch=1, monkeypatch=monkeypatch)
    page = report(tmp_path / "run")
    text = page.sections["neighbourhoods"]
    assert "No round has begun" in text and "2 rounds are to come" in text


def test_data_that_have_moved(hostile, tmp_path):
    """The page is what the directory holds, and says what it lacks."""
    path = tmp_path / "run"
    shutil.copytree(hostile, path)
    flags = (path / "flags.cfg").read_text()
    (path / "flags.cfg").write_text(
        re.sub("--data_dir=.*", f"--data_dir={tmp_path}/gone", flags)
    )
    page, result = report(path), result_of(path)
    assert "could not be loaded" in page.sections[""]
    assert percent(result["knn_top1_last"]) in page.sections["outcome"]
    assert "--data_dir" in page.sections["confusion"]
    pictures = [image["alt"] for image in page.images()]
    assert pictures[0].startswith("Round 1: anchors")
    # With the word of where they are now, all of it is back.
    again = report(path, data_dir=str(hostile.parent / "photos"))
    assert "are right" in again.sections["confusion"]


def test_a_run_whose_checkpoints_are_gone_has_its_figures(finished, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    shutil.rmtree(path / "checkpoints")
    page = report(path)
    assert percent(result_of(path)["knn_top1_last"]) in page.sections["outcome"]
    (path / "result.json").unlink()
    with pytest.raises(InputError, match="Expected a checkpoint in"):
        report(path)


def test_nothing_is_evaluated_where_it_is_not_wanted(finished, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    result = result_of(path)
    del result["evaluation"]["embedding"]
    (path / "result.json").write_text(json.dumps(result))
    (path / "consistency.png").unlink()
    page = report(path, evaluates=False)
    assert result_of(path) == result
    assert "--noevaluate" in page.sections["confusion"]
    assert "--protocols=embedding" in page.sections["embedding"]
    assert page.table("Neighbourhoods of k = 2")
    assert "evaluation" in result_of(path)


def test_what_was_evaluated_is_not_again(finished, capsys):
    report(finished)
    assert "evaluating" not in capsys.readouterr().out


def test_another_checkpoint_is_evaluated_anew(finished, tmp_path, capsys):
    """And what was found of the last one stays what it was."""
    path = shutil.copytree(finished, tmp_path / "run")
    before = result_of(path)["evaluation"]
    bare = report(path, which="round_1", evaluates=False)
    assert "--checkpoint=round_1" in bare.sections["embedding"]
    report(path, which="round_1")
    assert "evaluating embedding" in capsys.readouterr().out
    result = result_of(path)
    assert result["evaluation"] == before
    found = result["evaluation_of"]["round_1"]["embedding"]
    assert (found["checkpoint"], found["epochs"]) == ("round_1", 2)
    assert found != before["embedding"]
    assert (path / "embedding_map_round_1.png").is_file()
    board = path / "tensorboard" / "evaluation"
    assert {p.name for p in board.iterdir()} >= {"embedding", "round_1"}


def test_figures_of_an_earlier_end_say_so(finished, tmp_path):
    """As of a run that went on since it was evaluated."""
    path = shutil.copytree(finished, tmp_path / "run")
    result = result_of(path)
    result["evaluation"]["embedding"] |= {"epochs": 2, "step": 1}
    (path / "result.json").write_text(json.dumps(result))
    page = report(path, evaluates=False)
    said = "Evaluated after 2 epochs and step 1, while the rest of this page is"
    assert said in page.sections["embedding"]


def test_pictures_that_are_damaged_are_left_out(finished, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    whole = (path / "embedding_map.png").read_bytes()
    (path / "embedding_map.png").write_bytes(whole[:2000])
    page = report(path, evaluates=False)
    assert "--protocols=embedding" in page.sections["embedding"]


def test_the_command_makes_the_same_run(finished, tmp_path):
    (command,) = re.findall(
        r"python -m and_tf.train[^$]*?(?=This page)",
        read(finished).sections["reproduction"],
    )
    flags = [word for word in command.split() if word.startswith("--")]
    (tmp_path / "flags.cfg").write_text("\n".join(flags))
    again = from_flagfile(TrainConfig, tmp_path / "flags.cfg")
    assert again == from_flagfile(TrainConfig, finished / "flags.cfg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: Expected --run_dir, the directory of a run."),
        (["--run_dir=nowhere"], "error: Expected the directory of a run"),
        (["--run_dir=x", "--output=."], "error: Expected a file for --output"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert message in mains.refusal("and_tf.report", arguments, capsys).err


def test_the_command_writes_where_it_is_told(finished, tmp_path):
    output = tmp_path / "pages" / "digits.html"
    result = call(
        "and_tf.report",
        f"--run_dir={finished}",
        f"--output={output}",
        "--noevaluate",
    )
    assert result.returncode == 0, result.stderr
    assert f"wrote {output}" in result.stdout
    assert "small on digits" in Page(output.read_text()).sections[""]
