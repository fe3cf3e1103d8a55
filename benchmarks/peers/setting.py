"""Say what one training of the comparison is, and where its files lie."""

from __future__ import annotations

import dataclasses
import json
import pathlib

from benchmarks.peers.budget import Budget

OURS = "and"
PEERS = {
    "simclr": "SimCLR",
    "byol": "BYOL",
    "vicreg": "VICReg",
    "nnclr": "NNCLR",
    "simsiam": "SimSiam",
}
TITLES = {OURS: "instance learning (this project)", **PEERS}
# The training and the test split in the notation of TFDS.
SPLITS = {
    "held_out": ("train[:45000]", "train[45000:]"),
    "test": ("train", "test"),
}
VIEWS = ("lightly", "fast")
# The recipe of this project, whose network the peers have too.
RECIPE = "configs/cifar10_quarter_hour.flags"
BACKBONE, WIDTH, FEATURES = "small", 1.5, 384
PYTHON = ".venv-peers/bin/python"  # What `make bench-peers` makes.
IMAGE_SIZE = 32  # At which all are evaluated.


@dataclasses.dataclass(frozen=True)
class Setting:
    """Describes a training: who trains, how long, and on what.

    Attributes:
        side: One of `TITLES`.
        budget: What it may take.
        seed: Of the weights, the order of the images and the views.
        split: One of `SPLITS`.
        views: How the peers make views: "lightly" by lightly's own
            transforms, image by image; "fast" by the same recipe on batches.
        view_size: Side of the peers' views, in pixels.
        batch_size: Of the peers.
        max_train_examples: A random subset of the training images; 0 is all.
    """

    side: str
    budget: Budget
    seed: int = 0
    split: str = "held_out"
    views: str = "lightly"
    view_size: int = IMAGE_SIZE
    batch_size: int = 128
    max_train_examples: int = 0

    @property
    def name(self) -> str:
        """Return the name of its file, without the ending."""
        parts = [self.split, self.side]
        if self.side != OURS:
            parts += [f"{self.views}{self.view_size}", f"b{self.batch_size}"]
        if self.max_train_examples:
            parts.append(f"n{self.max_train_examples}")
        return "_".join([*parts, self.budget.key, f"seed{self.seed}"])

    @property
    def variant(self) -> dict[str, str | int]:
        """Return what sides of one name may differ in; nothing of ours."""
        if self.side == OURS:
            return {}
        return {
            "views": self.views,
            "view_size": self.view_size,
            "batch_size": self.batch_size,
        }

    def command(self) -> str:
        """Return the command that trains this one."""
        budget = self.budget
        flags = {
            "side": self.side,
            budget.unit: f"{budget.amount:g}",
            "seed": self.seed,
            "split": self.split,
            **self.variant,
        }
        if budget.unit != "minutes":
            flags["minutes"] = ""
        if self.side != OURS:
            flags["python"] = PYTHON
        if self.max_train_examples:
            flags["max_train_examples"] = self.max_train_examples
        given = " ".join(f"--{name}={value}" for name, value in flags.items())
        return f"python -m benchmarks.peers {given}"


@dataclasses.dataclass(frozen=True)
class Task:
    """Holds what a peer's process is told, in a file of JSON.

    Attributes:
        setting: What is trained.
        images: The .npz of images that `images.write` made.
        place: The directory that features.npz and report.json go to.
        measure_seconds: How long the speed of one way to make views is
            measured.
        threads: Of PyTorch, and the most processes that make views.
    """

    setting: Setting
    images: str
    place: str
    measure_seconds: float
    threads: int

    def write(self, path: pathlib.Path) -> None:
        """Write the file."""
        path.write_text(json.dumps(dataclasses.asdict(self)), "utf-8")

    @classmethod
    def read(cls, path: pathlib.Path) -> Task:
        """Read the file."""
        values = json.loads(path.read_text("utf-8"))
        given = values.pop("setting")
        budget = Budget(**given.pop("budget"))
        return cls(setting=Setting(budget=budget, **given), **values)
