"""The program itself, tiny and on the CPU, in processes of its own.

The level `paper` differs from `published` in its numbers alone; levels_test
has them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from and_tf.training.config import TrainConfig, from_flagfile
from and_tf.training.trained import load_encoder


def gpu(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_without_a_gpu_it_says_so_in_a_sentence(tmp_path):
    ended = gpu(f"--output_dir={tmp_path / 'runs'}", CUDA_VISIBLE_DEVICES="-1")
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("error: Expected a GPU. Received: none")
    assert not (tmp_path / "runs").exists()


def test_smoke(tmp_path):
    ended = gpu("--device=cpu", "--tiny", f"--output_dir={tmp_path}")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    (path,) = (tmp_path / "results" / "gpu").iterdir()
    found = json.loads(path.read_text())
    for row in found["rates"]:
        assert row["images_per_second"] > 0 and len(row["losses"]) == 2
        # What an untrained encoder loses in the first steps: about log N.
        assert 5 < row["losses"][0] < 10
    assert set(found["parts"]) == {
        "embed_test", "knn", "embed_train", "discovery", "checkpoint"
    }  # fmt: skip
    assert all(seconds > 0 for seconds in found["parts"].values())
    # That of flops_test, whose sum was written out by hand.
    assert found["training_flops_an_image"] == 3 * 802_816 - 49_152
    assert found["run"]["round_seconds"] > found["run"]["epoch_seconds"] > 0
    assert found["run"]["protocol"]["K"] == 200
    assert "--tiny" in (tmp_path / "GPU.md").read_text("utf-8")
    assert (tmp_path / "RESULTS.md").is_file()


def test_published(tmp_path):
    # The pace is known already, as on a second call.
    pace = {"start_seconds": 1, "epoch_seconds": 20, "checkpoint_bytes": 1}
    (tmp_path / "trial.json").write_text(json.dumps(pace))
    ended = gpu(
        "--level=published", "--device=cpu", "--tiny",
        "--precision=float32", f"--output_dir={tmp_path}",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "3 epochs to train: about 1 minute, and 0.2 GiB" in ended.stdout
    file = json.loads((tmp_path / "results/gpu_published.json").read_text())
    assert file["precision"] == "float32" and file["about"] == ["epochs/50"]
    both = [tmp_path / f"selection={s}/seed_0" for s in ("curriculum", "none")]
    configs = [from_flagfile(TrainConfig, path / "flags.cfg") for path in both]
    assert configs[1].start_from == str(both[0])
    # Up to the first discovery they are one training.
    rows = [path.joinpath("metrics.csv").read_text().split() for path in both]
    assert rows[0][:2] == rows[1][:2] and rows[0][2] != rows[1][2]
    assert [load_encoder(path).checkpoint.epochs for path in both] == [2, 2]
    assert "| AND " in (tmp_path / "GPU.md").read_text("utf-8")
