"""What smoke measures, keeps and does not do again."""

from __future__ import annotations

import json
import pathlib

import pytest

from and_tf.utils.errors import Interrupted
from benchmarks import commands
from benchmarks.gpu import record
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.smoke import Smoke
from benchmarks.harness.programs import Failed, Launcher

L4 = Setting("smoke", "NVIDIA L4")
ROW = "{},{},{},{}\n"
FLOPS = 3_000_000_000
RESULT = {
    "dataset": "cifar10",
    "backbone": "resnet18",
    "num_examples": 50_000,
    "epochs": 4,
    "seconds": 60.0,
    "knn_top1_last": 0.5,
    "knn_protocol": {"K": 200},
    "versions": {"tensorflow": "2.21.0"},
}
PARTS = {
    "training_flops_an_image": FLOPS,
    "seconds": {"knn": 0.25},
    "round_epochs": 2,
    "round_seconds": 9.0,
}


class Card(Launcher):
    """Leaves behind what processes on a card would.

    Args:
        fails: Text in the flags of those that end with an error.
        stops: How many processes there is time for.
    """

    def __init__(self, fails="never", stops=99):
        super().__init__()
        self.done = []
        self._fails, self._stops = fails, stops

    def run(self, arguments, log=None, enough=lambda: False):
        if len(self.done) == self._stops:
            raise Interrupted(15, "the time is up.")
        self.done.append(arguments)
        flags = dict(a[2:].split("=", 1) for a in arguments if "=" in a)
        if any(self._fails in argument for argument in arguments):
            raise Failed(f"Expected memory. Received: {flags['run_dir']}/log.")
        path = pathlib.Path(flags["run_dir"])
        (path / "checkpoints").mkdir(parents=True)
        text = "epoch,loss,images_per_second,seconds\n"
        for epoch, rate in enumerate((10, 4000, 5000, 6000)):
            text += ROW.format(epoch, 8 - epoch, rate, 50_000 / rate)
        (path / "metrics.csv").write_text(text)
        if path.name == "run":
            (path / "result.json").write_text(json.dumps(RESULT))

    def call(self, function, **arguments):
        return PARTS


def rates(smoke: Smoke) -> dict:
    rows = record.of_smoke(smoke)["rates"]
    return {(row["precision"], row["batch_size"]): row for row in rows}


@pytest.mark.parametrize("devices", [1, 2, 3, 8])
def test_each_precision_has_each_batch(devices, tmp_path):
    smoke = Smoke(Setting("smoke", "NVIDIA L4", devices=devices), tmp_path)
    pairs = [(case.precision, case.batch_size) for case in smoke.cases]
    assert sorted(pairs) == [
        (precision, batch * devices)
        for precision in ("float32", "mixed_bfloat16")
        for batch in (128, 256, 512)
    ]
    for case in smoke.cases:
        assert f"--batch_size={case.batch_size}" in case.trial.flags
        assert smoke.images % case.batch_size == 0
    assert 25_600 <= smoke.images <= 50_000  # As CIFAR-10 has.


def test_cases_differ_in_what_is_compared_alone(tmp_path):
    cases = Smoke(L4, tmp_path).cases
    kept = [
        [f for f in case.trial.flags if not f.startswith("--checkpoint_epochs")]
        for case in cases
    ]
    configs = [
        commands.config_of(f"python -m and_tf.train {' '.join(flags)}")
        for flags in kept
    ]
    for case, config in zip(cases, configs, strict=True):
        assert config.precision == case.precision
        assert config.batch_size == case.batch_size
        assert (config.dataset, config.encoder) == ("cifar10", "resnet18")
        assert not config.evaluate_every
        apart = set(config.differences(configs[0]))
        assert apart <= {"precision", "batch_size"}


def test_what_was_measured(tmp_path):
    smoke = Smoke(L4, tmp_path)
    smoke.measure(Card())
    found = record.of_smoke(smoke)
    one = rates(smoke)["mixed_bfloat16", 128]
    assert one["images_per_second"] == 5000  # The first epoch compiles.
    assert one["losses"] == [8, 7, 6, 5]
    # By hand: 5,000 · 3 GFLOP of 121 TFLOP/s, and of 60 in TF32.
    assert one["share_of_peak"] == pytest.approx(15 / 121)
    two = rates(smoke)["float32", 512]
    assert two["share_of_peak"] == pytest.approx(15 / 60)
    assert found["steps_an_epoch"] == 200
    assert found["run"]["epoch_seconds"] == pytest.approx(10)
    assert found["seed"] == 0 and found["run"]["protocol"] == {"K": 200}
    assert not list(smoke.place.glob("rates/*/checkpoints"))
    again = Card()
    smoke.measure(again)
    assert not again.done


def test_an_unknown_card_has_no_share(tmp_path):
    smoke = Smoke(Setting("smoke", "NVIDIA X1"), tmp_path)
    smoke.measure(Card())
    assert {row["share_of_peak"] for row in rates(smoke).values()} == {None}


def test_a_case_that_fails_costs_no_other(tmp_path):
    smoke = Smoke(L4, tmp_path)
    smoke.measure(Card(fails="--batch_size=512"))
    failed = rates(smoke)["float32", 512]
    assert failed["images_per_second"] is None
    # Without the machine's directories.
    assert failed["failure"] == (
        "Expected memory. Received: rates/float32_512/log."
    )
    assert rates(smoke)["float32", 256]["images_per_second"] == 5000
    again = Card()
    smoke.measure(again)
    assert len(again.done) == 2
    assert not rates(smoke)["float32", 512]["failure"]


def test_what_there_was_time_for_is_kept(tmp_path):
    smoke = Smoke(L4, tmp_path)
    assert record.of_smoke(smoke)["run"] is None
    with pytest.raises(Interrupted):
        smoke.measure(Card(stops=2))
    found = rates(smoke)
    assert found["mixed_bfloat16", 128]["images_per_second"] == 5000
    assert found["float32", 128]["images_per_second"] is None
    rest = Card()
    smoke.measure(rest)
    assert len(rest.done) == 5
