"""Train the arms of a comparison from the instance learning that they share."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from and_tf import encoders
from and_tf.data.pipeline import (
    clean_batches,
    pass_batch,
    steps_per_epoch,
    train_batches,
)
from and_tf.data.split import ImageData
from and_tf.encoders import heads
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.knn import weighted_knn
from and_tf.method.optimizers import CoupledSGD
from and_tf.method.rounds import RoundSchedule
from and_tf.pretexts.teacher_rows import unit_norm
from and_tf.training import sources
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import view_config
from and_tf.training.run import Run, of_same_images
from and_tf.training.run_directory import versions
from and_tf.training.start_encoder import embedded
from and_tf.training.trainer import load_images
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from benchmarks.harness import record
from benchmarks.neighbours.model import OtherPullAND
from benchmarks.neighbours.nearness import Nearness, nearness
from benchmarks.neighbours.rules import ARMS, Arm, Discovery, discover
from benchmarks.peers.evaluation import whitened

PLACES = ("data_dir", "run_dir")  # Flags that differ on other machines.


class Trial:
    """One data set, one seed, and any number of arms.

    Args:
        config: The flags of the instance learning; `initial_epochs` are those
            of the whole training.
        place: The directory of the figures.
        branch: The number of epochs that the arms share.
        every: The number of epochs between two discoveries.
        label_keys: The labels by which kNN is measured.
        rows_run: The directory of a run on the same training images, in whose
            embeddings arms "run" search; "" if there is none.
    """

    def __init__(
        self,
        config: TrainConfig,
        place: pathlib.Path,
        branch: int,
        every: int,
        label_keys: Sequence[str] = ("",),
        rows_run: str = "",
    ) -> None:
        keys = {"label_key": label_keys[0]} if label_keys[0] else {}
        self.config = dataclasses.replace(config, **keys).resolved
        if not branch < self.config.initial_epochs:
            raise InputError(
                f"Expected --branch_epoch below --initial_epochs="
                f"{self.config.initial_epochs}. Received: {branch}."
            )
        self.place, self.branch, self.every = place, branch, every
        self.label_keys, self.rows_run = label_keys, rows_run
        place.mkdir(parents=True, exist_ok=True)

    def figures(self, name: str) -> dict[str, Any]:
        """Return the figures of an arm, which is trained if there are none."""
        path = self.place / f"{name}.json"
        if path.exists():
            return json.loads(path.read_text("utf-8"))
        arm = ARMS[name]
        elsewhere = arm is not None and arm.where == "run"
        # Before what takes long, as that run may be refused.
        rows_of = self._other_run.config.title if elsewhere else None
        shared = self._shared()
        model = self._model(arm.size if arm else 1)
        _assign(model, shared)
        began = time.monotonic()
        rounds = Rounds(self, arm) if arm else None
        self._fit(model, self.branch, self.config.initial_epochs, rounds)
        seconds = time.monotonic() - began
        found = {
            "arm": dataclasses.asdict(arm) if arm else None,
            **({"rows_of": rows_of} if rows_of else {}),
            "knn": self._knn(model),
            "rounds": rounds.found if rounds else [],
            "seconds": round(seconds, 1),
            **self._setting,
        }
        atomic_files.write_json(path, found)
        return found

    def nearness(self, name: str) -> Nearness:
        """Return how near neighbours are at the branch.

        Args:
            name: That of an arm. `none`, which has no neighbours, is each image
                as its own.
        """
        model, train, arm = self._at_branch, self.images.train, ARMS[name]
        clean, rows = self._clean, self.rows("bank", model)
        found = Discovery(
            np.arange(train.size)[:, None], np.ones(train.size, bool)
        )
        if arm:
            searched = (
                clean if arm.where == "clean" else self.rows(arm.where, model)
            )
            found = self.discover(searched, arm, 0)
        return nearness(clean, rows, found, train.labels)

    def rows(self, where: str, model: OtherPullAND) -> np.ndarray:
        """Return what is searched, float32 [N, D], of unit norm.

        Args:
            where: `Arm.where`.
            model: The model that is trained.
        """
        if where == "bank":
            return model.bank.rows.value.numpy()
        if where == "clean":
            return embed(model, self.images.train, self.image_size)
        return self._other_run.train_embeddings

    def discover(self, rows: np.ndarray, arm: Arm, past: int) -> Discovery:
        """Find an arm's neighbours among rows.

        Args:
            rows: float32 [N, D], of unit norm.
            arm: How they are found.
            past: The number of epochs since the branch.
        """
        return discover(
            rows,
            arm,
            (past // self.every + 1) / self.rounds,
            self.config.temperature,
            self.images.train.labels,
            self.config.seed + self.branch + past,
        )

    @functools.cached_property
    def _at_branch(self) -> OtherPullAND:
        """The model as all arms begin."""
        shared, model = self._shared(), self._model(1)
        _assign(model, shared)
        return model

    @functools.cached_property
    def _clean(self) -> np.ndarray:
        """The clean embeddings of the training images at the branch."""
        return self.rows("clean", self._at_branch)

    @functools.cached_property
    def _other_run(self) -> Run:
        """The run in whose embeddings arms search.

        Raises:
            InputError: If there is none, or it has other training images.
        """
        if not self.rows_run:
            raise InputError(
                "Expected --rows_run, a run in whose embeddings these arms "
                "search. Received none."
            )
        return of_same_images(self.rows_run, self.images.train, "--rows_run")

    @property
    def rounds(self) -> int:
        """The number of discoveries of an arm."""
        return -(-(self.config.initial_epochs - self.branch) // self.every)

    @property
    def _of(self) -> dict[str, Any]:
        """Return what decides on the part that all arms share."""
        config, usual = self.config, TrainConfig().resolved
        return {
            "branch_epoch": self.branch,
            "flags": {
                name: getattr(config, name)
                for name in config.run_fields()
                if name not in PLACES
                and getattr(config, name) != getattr(usual, name)
            },
        }

    @property
    def _setting(self) -> dict[str, Any]:
        """Return what all arms have in common, and the machine."""
        return {
            **self._of,
            "refresh_epochs": self.every,
            "machine": record.machine(),
            "versions": versions(),
            "date": datetime.date.today().isoformat(),
        }

    @functools.cached_property
    def images(self) -> ImageData:
        """The images that are learnt from, and those that are asked about."""
        return _labelled(self.config)

    def _model(self, neighbours: int) -> OtherPullAND:
        """Return a compiled model with fresh weights."""
        config, train = self.config, self.images.train
        keras.utils.set_random_seed(config.seed)
        size = self.image_size
        encoder = encoders.build(**sources.find(config).describe(config, size))
        model = OtherPullAND(
            encoder,
            train.size,
            neighbourhood_size=neighbours,
            temperature=config.temperature,
            memory_momentum=config.memory_momentum,
            negatives=config.negatives,
            seed=config.seed,
        )
        model.view_encoder = encoders.for_views(
            encoder, config.view_size or size
        )
        rate = RoundSchedule(
            config.learning_rate,
            config.learning_rate_schedule,
            steps_per_epoch(train, config.batch_size),
            rounds=0,
            epochs_per_round=1,
            initial_epochs=config.initial_epochs,
            warmup_epochs=config.warmup_epochs,
        )
        model.compile(CoupledSGD(rate, weight_decay=config.weight_decay))
        model.optimizer.build(model.trainable_variables)
        return model

    @property
    def image_size(self) -> int:
        """The side of the encoder's input, in pixels."""
        return self.config.image_size or self.images.train.image_shape[0]

    def _shared(self) -> list[np.ndarray]:
        """Return the values of all variables at the branch."""
        path = self.place / "shared.npz"
        if not path.exists():
            model, size = self._model(1), self.image_size
            model.fill_bank(
                clean_batches(self.images.train, size, pass_batch(size))
            )
            self._fit(model, 0, self.branch, None)
            values = [variable.numpy() for variable in _variables(model)]
            of = json.dumps(self._of)
            atomic_files.write(path, lambda to: np.savez(to, *values, of=of))
        with np.load(path) as kept:
            if kept["of"] != json.dumps(self._of):
                raise InputError(
                    f"Expected the flags with which {path} was trained. "
                    f"Received others. It has: {kept['of']}. Use those, or "
                    "another --output_dir."
                )
            count = len(kept.files) - 1
            return [kept[f"arr_{place}"] for place in range(count)]

    def _fit(
        self, model: OtherPullAND, first: int, last: int, rounds: Rounds | None
    ) -> None:
        config = self.config
        batches = train_batches(
            self.images.train,
            view_config(config, config.view_size or self.image_size),
            batch_size=config.batch_size,
            seed=config.seed,
            epochs=last,
            first_epoch=first,
        )
        model.fit(
            batches,
            epochs=last,
            initial_epoch=first,
            steps_per_epoch=steps_per_epoch(
                self.images.train, config.batch_size
            ),
            callbacks=[rounds] if rounds else [],
            shuffle=False,  # The batches are shuffled.
            verbose=2,
        )

    def _knn(self, model: OtherPullAND) -> dict[str, dict[str, float]]:
        """Return kNN top-1 by labels, as learnt and of whitened features."""
        images, size, config = self.images, self.image_size, self.config
        trunk, head = heads.split(model.encoder)
        features = [
            embed(trunk, split, size) for split in (images.test, images.train)
        ]
        spaces = {
            "learnt": [embedded(head, of) for of in features],
            "whitened": [unit_norm(of) for of in whitened(*features)],
        }
        figures: dict[str, dict[str, float]] = {}
        for key in self.label_keys:
            by = images
            if key:
                by = _labelled(dataclasses.replace(config, label_key=key))
            figures[key or "label"] = {
                name: weighted_knn(
                    queries,
                    by.test.labels,
                    gallery,
                    by.train.labels,
                    neighbours=config.knn_neighbours,
                    temperature=config.knn_temperature,
                ).top1
                for name, (queries, gallery) in spaces.items()
            }
        return figures


class Rounds(keras.callbacks.Callback):
    """A callback that finds neighbours anew every few epochs.

    Args:
        trial: What is trained.
        arm: How they are found.

    Attributes:
        found: What was found, a dictionary for each discovery.
    """

    def __init__(self, trial: Trial, arm: Arm) -> None:
        super().__init__()
        self._trial, self._arm = trial, arm
        self.found: list[dict[str, float | int | None]] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Find neighbours, if it is time."""
        trial, arm, model = self._trial, self._arm, self.model
        past = epoch - trial.branch
        if past % trial.every:
            return
        found = trial.discover(trial.rows(arm.where, model), arm, past)
        model.neighbours.assign(found.neighbours)
        model.is_anchor.assign(found.is_anchor)
        model.halves.assign(float(arm.pull == "halves"))
        model.spared.assign(float(arm.pull == "spared"))
        self.found.append(
            {
                "epoch": epoch,
                "anchors": int(found.is_anchor.sum()),
                "right": found.right,
                "right_of_all": found.right_of_all,
            }
        )
        print(f"epoch {epoch}: {self.found[-1]}", flush=True)


def _labelled(config: TrainConfig) -> ImageData:
    """Load images, which need labels and a test split.

    Raises:
        InputError: If they have none.
    """
    images = load_images(config)
    if images.test is None or not (
        images.train.has_labels and images.test.has_labels
    ):
        raise InputError(
            "Expected training and test images with labels, by which the arms "
            f"are compared. Received: {images.train.name}."
        )
    return images


def _variables(model: OtherPullAND) -> list[keras.Variable]:
    """Return what instance learning changes, the same for any k."""
    return [
        *model.encoder.variables,
        model.bank.rows,
        *model.optimizer.variables,
    ]


def _assign(model: OtherPullAND, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(_variables(model), values, strict=True):
        variable.assign(value)
