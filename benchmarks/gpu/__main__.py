"""Shows what this project does on a GPU, and writes it down.

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

import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf.utils import atomic_files, cli
from and_tf.utils.errors import InputError, Interrupted
from benchmarks import machine, result_files, results_page
from benchmarks.gpu import cost, devices, levels, page, record
from benchmarks.gpu.levels import LEVELS, Plan
from benchmarks.gpu.process import Launcher
from benchmarks.gpu.setting import PRECISIONS, Setting
from benchmarks.gpu.smoke import Smoke

_LEVEL = flags.DEFINE_enum(
    "level", levels.SMOKE, levels.NAMES, "What is measured or trained."
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "", "Where the trainings go. Empty: runs/gpu/<level>."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "", "Where data sets lie. Empty: TFDS' own default."
)
_MINUTES = flags.DEFINE_float(
    "minutes", 0.0, "Time limit of this call. 0: none.", lower_bound=0.0
)
_DEVICES = flags.DEFINE_integer(
    "devices", 1, "How many GPUs train together.", lower_bound=1
)
_DEVICE = flags.DEFINE_enum("device", "gpu", ["gpu", "cpu"], "What trains.")
_PRECISION = flags.DEFINE_enum(
    "precision",
    PRECISIONS[0],
    PRECISIONS,
    "Of the runs; float32 is TF32 on NVIDIA's cards.",
)
_TINY = flags.DEFINE_bool(
    "tiny", False, "A few digits and epochs, to see the program work."
)
_ESTIMATE = flags.DEFINE_bool(
    "estimate", False, "End after the estimate of minutes and disk space."
)
_MEASURE = flags.DEFINE_bool(
    "measure", True, "Otherwise the pages are written from the files there are."
)


def main(argv: Sequence[str]) -> None:
    """Measures or trains, then writes the pages."""
    del argv
    if not _MEASURE.value:
        _write_pages(result_files.RESULTS, result_files.HERE)
        return
    on_cpu = _DEVICE.value == "cpu"
    setting = Setting(
        level=_LEVEL.value,
        card=_card(on_cpu),
        devices=_DEVICES.value,
        precision=_PRECISION.value,
        tiny=_TINY.value,
        on_cpu=on_cpu,
        data_dir=_DATA_DIR.value,
    )
    place = pathlib.Path(_OUTPUT_DIR.value or f"runs/gpu/{_LEVEL.value}")
    setting.claim(place)
    launcher = Launcher(
        devices.environment(setting.devices, on_cpu), _MINUTES.value
    )
    count = f"{setting.devices} × " if setting.devices > 1 else ""
    print(f"{setting.level} on {count}{setting.card}", flush=True)
    results = result_files.RESULTS if setting.counts else place / "results"
    pages = result_files.HERE if setting.counts else place
    if setting.level == levels.SMOKE:
        _smoke(Smoke(setting, place), launcher, results, pages)
    else:
        plan = Plan(LEVELS[setting.level], setting, place)
        _train(plan, launcher, results, pages)


def _card(on_cpu: bool) -> str:
    if on_cpu:
        if _DEVICES.value > 1:
            raise InputError(
                "Expected --devices=1 with --device=cpu. Received: "
                f"{_DEVICES.value}."
            )
        return str(machine.describe()["processor"])
    return devices.check(devices.find_names(), _DEVICES.value)


def _smoke(
    smoke: Smoke,
    launcher: Launcher,
    results: pathlib.Path,
    pages: pathlib.Path,
) -> None:
    """Measures; what there is when it ends early is written too."""
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
            print(f"wrote {record.write_smoke(smoke, results / 'gpu')}")
            _write_pages(results, pages)


def _train(
    plan: Plan,
    launcher: Launcher,
    results: pathlib.Path,
    pages: pathlib.Path,
) -> None:
    """Says what it costs, trains, and writes what came of it."""
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
    _write_pages(results, pages)


def _write_pages(results: pathlib.Path, place: pathlib.Path) -> None:
    gpu, whole = place / page.PAGE.name, place / "RESULTS.md"
    page.write(results, gpu)
    atomic_files.write_text(
        whole,
        results_page.render(
            result_files.paper_rows(), result_files.read_all(results)
        ),
    )
    print(f"wrote {gpu} and {whole}")


if __name__ == "__main__":
    cli.run(main)
