"""The command as a user meets it: two real processes, the rest in this one."""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from and_tf.evaluation.knn import weighted_knn
from and_tf.training.run import Run
from export.tflite.conversion import convert
from tests import mains
from tests.utils.cli_test import call


def export(*arguments: str, cwd: pathlib.Path):
    return call("export.tflite", *arguments, cwd=cwd)


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Returns what runs the command in `tmp_path`, and wants a sentence."""
    monkeypatch.chdir(tmp_path)

    def refuse(message: str, *arguments: str) -> None:
        printed = mains.refusal("export.tflite", arguments, capsys)
        assert message in " ".join(printed.err.split())
        assert printed.out == ""

    return refuse


@pytest.fixture(scope="module")
def exported(digits_run, tmp_path_factory):
    """An int8 export of the tiny run: directory and process."""
    path = tmp_path_factory.mktemp("exported")
    result = export(
        f"--run_dir={digits_run}",
        "--output=new/digits.tflite",
        "--quantize=int8",
        "--calibration_images=100",
        "--knn_neighbours=50",
        cwd=path,
    )
    assert result.returncode == 0, result.stderr
    return path / "new", result


def test_figures_are_those_of_the_file(digits_run, exported):
    """Computed again from the file, by the runtime's own interface."""
    directory, _ = exported
    interpreter = Interpreter(str(directory / "digits.tflite"))
    runner = interpreter.get_signature_runner("serving_default")
    run = Run(digits_run)
    data = run.images
    splits = (data.test, data.train)
    files = [runner(images=s.images)["embedding"] for s in splits]
    keras = [run.encoder.predict(s.images, verbose=0) for s in splits]
    cosines = np.concatenate(
        [np.sum(a * b, axis=1) for a, b in zip(files, keras, strict=True)]
    )

    written = json.loads((directory / "digits.json").read_text())
    measured = written["measured"]
    for name, (queries, gallery) in (
        ("knn_top1", files),
        ("original_knn_top1", keras),
    ):
        expected = weighted_knn(
            queries, data.test.labels, gallery, data.train.labels, neighbours=50
        )
        assert measured[name] == pytest.approx(expected.top1, abs=0.01)
    assert measured["mean_cosine"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert measured["minimum_cosine"] == pytest.approx(cosines.min(), abs=1e-3)
    assert measured["minimum_cosine"] > 0.99
    assert measured["knn_protocol"]["K"] == 50
    assert (measured["query_images"], measured["gallery_images"]) == (150, 450)


def test_sidecar_says_what_the_file_is(digits_run, exported):
    directory, _ = exported
    content = (directory / "digits.tflite").read_bytes()
    written = json.loads((directory / "digits.json").read_text())
    result = json.loads((digits_run / "result.json").read_text())
    assert written["bytes"] == len(content)
    assert written["sha256"] == hashlib.sha256(content).hexdigest()
    assert written["quantize"] == "int8"
    assert written["signature"] == "serving_default"
    assert written["input"] == {
        "name": "images", "dtype": "uint8", "shape": [None, 8, 8, 3],
    }  # fmt: skip
    assert written["output"] == {
        "name": "embedding", "dtype": "float32", "shape": [None, 32],
    }  # fmt: skip
    assert written["calibration"] == {
        "images": 100, "split": "digits/train", "seed": 0,
    }  # fmt: skip
    assert written["knn_top1"] == result["knn_top1_last"]
    assert written["run_dir"] == str(digits_run)


def test_says_what_it_did_and_nothing_else(exported):
    directory, result = exported
    measured = json.loads((directory / "digits.json").read_text())["measured"]
    top1, original = measured["knn_top1"], measured["original_knn_top1"]
    lines = result.stdout.splitlines()
    assert lines[0].startswith("wrote new/digits.tflite (0.2")
    assert f"{100 * top1:.2f} %, original {100 * original:.2f} %" in lines[1]
    assert f"mean {measured['mean_cosine']:.6f}" in lines[2]
    assert len(lines) == 3
    progress = ("calibrate", "embed digits/train", "embed digits/test")
    shown = result.stderr.splitlines()
    assert all(line.startswith(progress) for line in shown)
    assert all(any(line.startswith(p) for line in shown) for p in progress)
    assert {path.name for path in directory.iterdir()} == {
        "digits.tflite", "digits.json",
    }  # fmt: skip


@pytest.mark.parametrize("kept", ["digits.tflite", "digits.json"])
def test_overwrites_neither_file(digits_run, exported, tmp_path, refused, kept):
    shutil.copy(exported[0] / kept, tmp_path)
    before = (tmp_path / kept).read_bytes()
    refused(
        "error: Expected a new --output. Received: digits.tflite",
        f"--run_dir={digits_run}", "--output=digits.tflite",
    )  # fmt: skip
    assert (tmp_path / kept).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [kept]


def moved(digits_run: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    """A run whose images, a folder, are gone."""
    shutil.copytree(digits_run, path)
    flagfile = path / "flags.cfg"
    text = flagfile.read_text().replace("=digits", "=folder")
    flagfile.write_text(text.replace("--data_dir=", "--data_dir=gone"))
    return path


def test_without_data_it_exports_but_does_not_measure(
    digits_run, tmp_path, monkeypatch, capfd
):
    moved(digits_run, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    arguments = ["--run_dir=run", "--output=a.tflite", "--quantize=float16"]
    mains.run("export.tflite", arguments)
    out, err = capfd.readouterr()
    note, wrote = out.splitlines()
    assert note.startswith("not measured, as the run's images cannot")
    assert wrote.startswith("wrote a.tflite")
    assert err == ""
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["measured"] is written["calibration"] is None


def test_int8_needs_data(digits_run, tmp_path, refused):
    moved(digits_run, tmp_path / "run")
    refused(
        "error: Expected the run's training images for --quantize=int8",
        "--run_dir=run", "--output=a.tflite", "--quantize=int8",
    )  # fmt: skip
    assert not (tmp_path / "a.tflite").exists()


def test_noevaluate_needs_no_data_and_says_no_more(digits_run, tmp_path):
    moved(digits_run, tmp_path / "run")
    result = export(
        "--run_dir=run", "--output=a.tflite", "--noevaluate", cwd=tmp_path
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("wrote a.tflite (0.8")
    assert len(result.stdout.splitlines()) == 1
    # Any process makes the same bytes of the same run.
    expected = convert(Run(digits_run).encoder)
    assert (tmp_path / "a.tflite").read_bytes() == expected


def test_refuses_a_run_without_a_checkpoint(digits_run, tmp_path, refused):
    (tmp_path / "run").mkdir()
    shutil.copy(digits_run / "flags.cfg", tmp_path / "run")
    refused(
        "error: Expected a checkpoint in run/checkpoints. Received none",
        "--run_dir=run", "--output=a.tflite",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output=a.tflite"], "error: Expected --run_dir"),
        (["--run_dir=x"], "ends in .tflite. Received none."),
        (["--run_dir=x", "--output=a.onnx"], "Received: a.onnx."),
        (
            ["--run_dir=x", "--output=file/a.tflite"],
            "a.tflite: Not a directory.",
        ),
        (["--run_dir=x", f"--output={'a' * 300}.tflite"], "name too long."),
        (["--run_dir=x", "--output=a.tflite"], "the directory of a run"),
        (
            ["--run_dir=x", "--output=a.tflite", "--knn_temperature=0"],
            "Expected --knn_temperature above 0. Received: 0.",
        ),
    ],
)
def test_refuses_in_one_sentence(arguments, message, tmp_path, refused):
    (tmp_path / "file").write_text("")
    refused(message, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--quantize=int4", "should be one of <none|float16|dynamic|int8>"),
        ("--calibration_images=0", "of at least 1. Received: 0"),
        ("--knn_neighbours=0", "of at least 1. Received: 0"),
    ],
)
def test_wrong_values_of_flags(flag, message, refused):
    refused(message, flag)
