"""Train a peer, in an environment that has PyTorch and lightly.

    PYTHON -m benchmarks.peers.peer task.json

`benchmarks.peers` starts it and writes its `setting.Task`. It measures its own
speed first, then trains anew for the steps that fit into the budget, and
writes the features of clean images for `evaluation`.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.peers import recipes
from benchmarks.peers.fast_views import FastViews
from benchmarks.peers.methods import METHODS, Method
from benchmarks.peers.pillow_views import Pair, PillowViews
from benchmarks.peers.setting import FEATURES, WIDTH, Setting, Task
from benchmarks.peers.torch_small import Small

VIEWS = {"lightly": PillowViews, "fast": FastViews}
PACKAGES = ("torch", "torchvision", "lightly", "numpy", "pillow")
WARM_UP = 5  # Steps that are not measured.
EMBED_BATCH = 500
SAID_EVERY = 30.0  # Seconds.
Step = Callable[[Pair], float]


def main() -> None:
    """Measure, train, embed; see above."""
    task = Task.read(pathlib.Path(sys.argv[1]))
    torch.set_num_threads(task.threads)
    with np.load(task.images) as file:
        train, queries = file["train"], file["queries"]
    pace = measure(task, train)
    views_a_step = 2 * task.setting.batch_size
    steps = task.setting.budget.steps(pace.seconds_a_step, views_a_step)
    print(f"{pace}: {steps:,} steps", flush=True)
    method, seconds, waited = fit(task.setting, train, steps, pace.workers)
    place = pathlib.Path(task.place)
    np.savez(
        place / "features.npz",
        train=embed(method.backbone, train),
        queries=embed(method.backbone, queries),
    )
    report = {
        "seconds": seconds,
        "views_share": waited / seconds,
        "steps": steps,
        "epochs": steps * task.setting.batch_size / len(train),
        "views_seen": steps * views_a_step,
        "learning_rate": method.rate(task.setting.batch_size),
        "pace": dataclasses.asdict(pace),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
    (place / "report.json").write_text(json.dumps(report), "utf-8")


@dataclasses.dataclass(frozen=True)
class Pace:
    """Holds how fast a training is.

    Attributes:
        seconds_a_step: With the views.
        workers: How many processes make views; 0 makes them in the training
            itself. The fastest of those that were tried.
    """

    seconds_a_step: float
    workers: int


def measure(task: Task, images: np.ndarray) -> Pace:
    """Measure a training that is thrown away.

    Args:
        task: What is to be trained.
        images: uint8 [N, H, W, 3].
    """
    setting = task.setting
    step, _ = start(setting, steps=1_000_000)
    found = {}
    for workers in range(task.threads + 1):
        batches = pairs(setting, images, workers)
        found[workers] = _seconds_a_step(step, batches, task.measure_seconds)
        del batches  # Ends its processes.
    workers = min(found, key=found.__getitem__)
    return Pace(found[workers], workers)


def _seconds_a_step(
    step: Step, batches: Iterator[Pair], seconds: float
) -> float:
    for _ in range(WARM_UP):
        step(next(batches))
    count, began = 0, time.perf_counter()
    while not count or time.perf_counter() - began < seconds:
        step(next(batches))
        count += 1
    return (time.perf_counter() - began) / count


def start(setting: Setting, steps: int) -> tuple[Step, Method]:
    """Make a method and its step, from the seed.

    Args:
        setting: Whose side and batch size are taken.
        steps: After which the learning rate ends.

    Returns:
        A function that trains on two views and returns the loss, and what it
        trains.
    """
    random.seed(setting.seed)
    np.random.seed(setting.seed)
    torch.manual_seed(setting.seed)
    method = METHODS[setting.side](Small(WIDTH, FEATURES), FEATURES)
    method = method.to(memory_format=torch.channels_last).train()
    optimiser, schedule = method.optimiser(setting.batch_size, steps)

    def step(pair: Pair) -> float:
        optimiser.zero_grad()
        loss = method(*pair)
        loss.backward()
        optimiser.step()
        schedule.step()
        return loss.item()

    return step, method


def fit(
    setting: Setting, images: np.ndarray, steps: int, workers: int
) -> tuple[Method, float, float]:
    """Train from the beginning.

    Args:
        setting: What is trained.
        images: uint8 [N, H, W, 3].
        steps: How many.
        workers: How many processes make views.

    Returns:
        The method, the seconds from the first batch to the last step, and
        those of them in which views were made or waited for.

    Raises:
        SystemExit: If the loss is no longer finite.
    """
    step, method = start(setting, steps)
    batches = pairs(setting, images, workers)
    pair = next(batches)  # Starts the processes.
    waited, began = 0.0, time.perf_counter()
    said = began
    for done in range(1, steps + 1):
        loss = step(pair)
        if not np.isfinite(loss):
            sys.exit(f"The loss is {loss} after {done:,} steps.")
        stepped = time.perf_counter()
        if done < steps:
            pair = next(batches)
        now = time.perf_counter()
        waited += now - stepped
        if now - said >= SAID_EVERY or done == steps:
            print(f"{done:,} of {steps:,} steps: loss {loss:.4f}", flush=True)
            said = now
    return method, time.perf_counter() - began, waited


def pairs(setting: Setting, images: np.ndarray, workers: int) -> Iterator[Pair]:
    """Yield two views of batches, without end.

    Args:
        setting: Whose views, batch size and seed are taken.
        images: uint8 [N, H, W, 3].
        workers: How many processes make them.
    """
    if len(images) < setting.batch_size:
        sys.exit(
            f"Expected a batch of at most {len(images)} images, as many as "
            f"there are. Received: {setting.batch_size}."
        )
    dataset = VIEWS[setting.views](images, setting.side, setting.view_size)
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=_Shuffled(len(images), setting.batch_size, setting.seed),
        num_workers=workers,
        generator=torch.Generator().manual_seed(setting.seed),
    )
    return iter(loader)


class _Shuffled:
    """Yields batches of numbers; every epoch leaves out what fills none."""

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self._count, self._batch_size, self._seed = count, batch_size, seed

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng(self._seed)
        while True:
            order = generator.permutation(self._count).tolist()
            last = self._count - self._batch_size
            for first in range(0, last + 1, self._batch_size):
                yield order[first : first + self._batch_size]


@torch.no_grad()
def embed(backbone: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Return the features of clean images, float32 [N, F].

    Args:
        backbone: From normalised images to features.
        images: uint8 [N, H, W, 3].
    """
    backbone.eval()
    found = []
    for first in range(0, len(images), EMBED_BATCH):
        found.append(backbone(normalised(images[first : first + EMBED_BATCH])))
    return torch.cat(found).numpy()


def normalised(images: np.ndarray) -> torch.Tensor:
    """Turn uint8 [b, H, W, 3] into float32 [b, 3, H, W], channels last."""
    mean, std = torch.tensor(recipes.MEAN), torch.tensor(recipes.STD)
    x = (torch.from_numpy(images).float() / 255 - mean) / std
    return x.permute(0, 3, 1, 2)  # In memory, channels are last already.


if __name__ == "__main__":
    main()
