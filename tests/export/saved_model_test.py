"""The exporter as its user meets it, and its SavedModel without it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from and_tf.evaluation.embeddings import embed
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from export.serving import saved_model_writer
from export.serving.servable import Options
from tests import mains
from tests.export import exports
from tests.utils.cli_test import ROOT, call


@pytest.fixture(scope="module")
def expected(digits_run):
    """The test images' embeddings, by the training's own code."""
    run = Run(digits_run)
    images = run.images.test
    return images.images, embed(run.encoder, images, run.image_size)


def elsewhere(*command: str, cwd: pathlib.Path) -> str:
    """Runs a command that cannot see this project."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_command_says_what_it_wrote(digits_run, tmp_path):
    result = call(
        "export.saved_model",
        f"--run_dir={digits_run}",
        f"--output_dir={tmp_path / 'new' / 'exported'}",
        "--neighbours=4",
        "--gallery=bank",
        "--model_name=digits",
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    version = tmp_path / "new" / "exported" / "1"
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"wrote {version}/, ")
    assert [line.split("  ")[1].strip() for line in lines[1:5]] == [
        "serving_default", "serving_bytes", "neighbours", "neighbours_bytes",
    ]  # fmt: skip
    assert lines[4].endswith(
        "image_bytes string [?] -> index int64 [?, 4], "
        "similarity float32 [?, 4]"
    )
    assert f'"{version.parent}:/models/digits:ro"' in lines[5]
    assert lines[6].endswith("--model_name=digits")
    assert os.listdir(version.parent) == ["1"]


def test_encoder_is_described(digits_run):
    path = (
        exports.exported(digits_run) / saved_model_writer.EXTRA / "encoder.json"
    )
    described = json.loads(path.read_text())
    result = RunDirectory(digits_run).read_result()
    assert described["image_size"] == 8
    assert described["embedding_dim"] == 32
    assert described["dataset"] == "digits"
    assert described["knn_top1"] == result["knn_top1_last"]


def test_next_version_is_beside_the_last(digits_run, tmp_path, capsys):
    (tmp_path / "4").mkdir()
    version = saved_model_writer.export(Run(digits_run), tmp_path, Options())
    assert version == tmp_path / "5"
    assert f"wrote {version}/" in capsys.readouterr().out


def test_plain_tensorflow_runs_it(digits_run, expected, tmp_path):
    images, embeddings = expected
    np.save(tmp_path / "images.npy", images)
    script = f"""
import sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load({str(exports.exported(digits_run))!r})
images = np.load("images.npy")
files = [tf.io.encode_png(image) for image in images]
np.savez(
    "found.npz",
    plain=model.signatures["serving_default"](
        images=tf.constant(images))["embedding"],
    files=model.signatures["serving_bytes"](
        image_bytes=tf.stack(files))["embedding"],
    names=model.signatures["classify"](
        images=tf.constant(images))["class_name"].numpy().astype(str),
)
print(*({{"and_tf", "export", "keras_cv"}} & set(sys.modules)))
"""
    printed = elsewhere(sys.executable, "-I", "-c", script, cwd=tmp_path)
    assert printed.strip() == ""
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_allclose(found["plain"], embeddings, atol=1e-5)
        np.testing.assert_allclose(found["files"], embeddings, atol=1e-5)
        assert set(found["names"]) <= set(map(str, range(10)))


def test_saved_model_cli_runs_it(digits_run, expected, tmp_path):
    """It runs a signature as a server does, in a session."""
    images, embeddings = expected
    np.save(tmp_path / "files.npy", np.array(exports.files(images)))
    elsewhere(
        str(pathlib.Path(sys.executable).parent / "saved_model_cli"),
        "run",
        f"--dir={exports.exported(digits_run)}",
        "--tag_set=serve",
        "--signature_def=serving_bytes",
        "--inputs=image_bytes=files.npy",
        "--outdir=.",
        cwd=tmp_path,
    )
    found = np.load(tmp_path / "embedding.npy")
    np.testing.assert_allclose(found, embeddings, atol=1e-5)


def test_saved_model_cli_shows_it(digits_run, tmp_path):
    shown = elsewhere(
        str(pathlib.Path(sys.executable).parent / "saved_model_cli"),
        "show",
        f"--dir={exports.exported(digits_run)}",
        "--tag_set=serve",
        cwd=tmp_path,
    )
    for name in ("serving", "neighbours", "classify"):
        assert f'"{name}_bytes"' in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected --run_dir, the directory of a run. Received none."),
        (["--run_dir=x"], "Expected --output_dir"),
        (["--run_dir=x", "--output_dir=y", "--neighbours=-1"], "Received: -1."),
        (
            ["--run_dir=x", "--output_dir=y", "--knn_neighbours=0"],
            "--knn_neighbours of at least 1. Received: 0.",
        ),
        (
            ["--run_dir=x", "--output_dir=y", "--knn_temperature=nan"],
            "--knn_temperature above 0. Received: nan.",
        ),
        (["--run_dir=x", "--output_dir=y", "--model_name=a/b"], "'a/b'"),
        (["--gallery=dirty"], "should be one of <clean|bank>"),
    ],
)
def test_wrong_flags_end_in_one_sentence(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    printed = mains.refusal("export.saved_model", arguments, capsys)
    assert message in printed.err
    assert os.listdir(tmp_path) == []


def test_a_full_disk_ends_in_one_sentence(digits_run, tmp_path):
    """Every file is limited to 64 KiB: less than the weights take."""
    script = (
        "import resource, runpy, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        f"sys.argv = ['saved_model', '--run_dir={digits_run}', "
        f"'--output_dir={tmp_path}']\n"
        "runpy.run_module('export.saved_model', run_name='__main__')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 1
    assert "cannot be written to: " in result.stderr
    assert "File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []
