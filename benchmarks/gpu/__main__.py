"""Show what this project does on a GPU, and write it down.

    python -m benchmarks.gpu --level=smoke       # minutes: speed
    python -m benchmarks.gpu --level=published   # 50 epochs a round
    python -m benchmarks.gpu --level=paper       # 200 epochs a round, 3 seeds

`smoke` measures how many images a second each precision and batch size gives,
what share of the card's peak that is, how far the losses of the precisions
differ, and where the time of an epoch goes. The other two train AND, and
instance learning alone for as many epochs, as long as the paper does. They
first train a few epochs, and then say how long all of it will take and how
much room it needs; --estimate ends there.

Every training is an ordinary run below --output_dir. The same command goes on
after an interruption. --minutes=60 ends it after an hour: the training keeps
its very step, and the exit code is 143, as after SIGTERM.

--devices=8 spreads each step over eight GPUs (--strategy=mirrored). The batch
size of the paper's recipe, 128 over all devices, stays what it is, so that
this helps larger networks more than this one; `smoke` has as many images on
each device as on one alone.

Figures go to benchmarks/results/, and from there to benchmarks/GPU.md and
benchmarks/RESULTS.md. Those of --tiny or --device=cpu stay in --output_dir.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf.utils import cli
from and_tf.utils.errors import InputError, Interrupted
from benchmarks import pages
from benchmarks.gpu import cost, levels, record, setting
from benchmarks.gpu.levels import LEVELS, Plan
from benchmarks.gpu.setting import PRECISIONS, Setting
from benchmarks.gpu.smoke import Smoke
from benchmarks.harness import program_flags
from benchmarks.harness.programs import Launcher
from benchmarks.harness.record import HERE, RESULTS, machine

_LEVEL = flags.DEFINE_enum(
    "level",
    levels.SMOKE,
    levels.NAMES,
    "Level of the measurements and trainings; levels.py describes them.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    "",
    "Directory of the trainings. If empty, it is runs/gpu/<level>.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    "",
    "Directory of the data sets. If empty, it is the default of TFDS.",
)
_MINUTES = flags.DEFINE_float(
    "minutes",
    0.0,
    "Time limit of this call, in minutes. 0 sets no limit.",
    lower_bound=0.0,
)
_DEVICES = flags.DEFINE_integer(
    "devices", 1, "Number of GPUs that train together.", lower_bound=1
)
_DEVICE = flags.DEFINE_enum(
    "device", "gpu", ["gpu", "cpu"], "Kind of device to train on."
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    PRECISIONS[0],
    PRECISIONS,
    "Number format of the trainings. On NVIDIA's cards, float32 products are "
    "computed in TF32.",
)
_TINY = flags.DEFINE_bool(
    "tiny",
    False,
    "Train on a few digits for a few epochs, to see the program work.",
)
_ESTIMATE = flags.DEFINE_bool(
    "estimate", False, "Print the estimate of minutes and disk space, and end."
)
_MEASURE = program_flags.measure("Measure or train", "pages")


def main(argv: Sequence[str]) -> None:
    """Measure or train, then write the pages."""
    del argv
    if not _MEASURE.value:
        _write_pages(RESULTS, HERE)
        return
    on_cpu = _DEVICE.value == "cpu"
    shared = Setting(
        level=_LEVEL.value,
        card=_card(on_cpu),
        devices=_DEVICES.value,
        precision=_PRECISION.value,
        tiny=_TINY.value,
        on_cpu=on_cpu,
        data_dir=_DATA_DIR.value,
    )
    place = pathlib.Path(_OUTPUT_DIR.value or f"runs/gpu/{_LEVEL.value}")
    shared.claim(place)
    # Processes that are started from here see the wanted devices alone.
    os.environ.update(setting.environment(shared.devices, on_cpu))
    launcher = Launcher(_MINUTES.value)
    count = f"{shared.devices} × " if shared.devices > 1 else ""
    print(f"{shared.level} on {count}{shared.card}", flush=True)
    results = RESULTS if shared.counts else place / "results"
    into = HERE if shared.counts else place
    if shared.level == levels.SMOKE:
        _smoke(Smoke(shared, place), launcher, results, into)
    else:
        plan = Plan(LEVELS[shared.level], shared, place)
        _train(plan, launcher, results, into)


def _card(on_cpu: bool) -> str:
    if on_cpu:
        if _DEVICES.value > 1:
            raise InputError(
                "Expected --devices=1 with --device=cpu. Received: "
                f"{_DEVICES.value}."
            )
        return str(machine()["processor"])
    return setting.check_gpus(setting.find_gpus(), _DEVICES.value)


def _smoke(
    smoke: Smoke,
    launcher: Launcher,
    results: pathlib.Path,
    into: pathlib.Path,
) -> None:
    """Measure; what there is when it ends early is written too."""
    print(
        f"{len(smoke.cases) + 2} processes: a few minutes on an H100, longer "
        f"on smaller cards; up to a GiB in {smoke.place}",
        flush=True,
    )
    if _ESTIMATE.value:
        return
    try:
        smoke.measure(launcher)
    finally:
        if smoke.read_run():
            print(f"wrote {record.write_smoke(smoke, results)}")
            _write_pages(results, into)


def _train(
    plan: Plan,
    launcher: Launcher,
    results: pathlib.Path,
    into: pathlib.Path,
) -> None:
    """Say what it costs, train, and write what came of it."""
    if plan.epochs_left:
        needed = cost.estimate(plan, launcher)
        print(needed.sentence(plan.place, _MINUTES.value), flush=True)
        if _ESTIMATE.value:
            return
        cost.check_disk(needed, plan.place)
    try:
        plan.train(launcher)
    except Interrupted:
        print(f"{plan.epochs_left:,} epochs are left", flush=True)
        raise
    print(f"wrote {record.add_runs(plan, results)}")
    _write_pages(results, into)


def _write_pages(results: pathlib.Path, into: pathlib.Path) -> None:
    for name in ("GPU.md", "RESULTS.md"):
        pages.write(name, results, into / name)


if __name__ == "__main__":
    cli.run(main)
