"""Gives a run its teacher, what it says about the images, and its figures.

The rows are computed before the first step, and kept in the run directory. A
resumed run reads them, and opens the teacher only if some of them are missing.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import keras

from and_tf.data.split import ImageData
from and_tf.distribution.process_group import ProcessGroup
from and_tf.training import results, sources
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import Training
from and_tf.training.restore import fingerprint
from and_tf.training.run_directory import RunDirectory
from and_tf.training.sources import Start
from and_tf.training.teacher import Teacher, TeacherRows, teacher_rows
from and_tf.utils.errors import InputError

BASELINE = "teacher"


@dataclasses.dataclass(frozen=True, eq=False)
class Lesson:
    """A teacher, the images that it sees, and its rows of them.

    Attributes:
        teacher: The teacher.
        seen: Returns the run's images as the teacher sees them.
        rows: What it says about the training images.
    """

    teacher: Teacher
    seen: Callable[[], ImageData]
    rows: TeacherRows


def of_run(
    config: TrainConfig, metadata: dict[str, Any], processes: ProcessGroup
) -> Teacher | None:
    """Returns the teacher of a run; None if it has none.

    Args:
        config: The flags of the run.
        metadata: The values that its checkpoints hold beside arrays. Of a new
            run the entry "teacher" is added: where the teacher comes from, and
            which labels it has seen.
        processes: The processes that train together.

    Raises:
        InputError: If there is no such teacher, or its weights are missing.
    """
    if not config.teacher:
        return None
    find = functools.cache(functools.partial(_find, config))
    known, note = metadata.get("teacher"), ""
    if known is None:
        start, encoder = find(), metadata["encoder"]
        note = start.note
        known = metadata["teacher"] = {
            "encoder": config.teacher,
            **(start.pretrained or {}),
            "image_size": config.teacher_image_size
            or start.image_size
            or encoder["image_size"],
            "dim": encoder["embedding_dim"],
        }
    return Teacher(
        lambda: _open(find(), known["image_size"], processes),
        known["image_size"],
        known["dim"],
        config.teacher_power,
        known,
        note,
    )


def learn(
    teacher: Teacher,
    config: TrainConfig,
    directory: RunDirectory,
    images: ImageData,
    metadata: dict[str, Any],
    processes: ProcessGroup,
    load: Callable[[TrainConfig], ImageData],
) -> Lesson:
    """Computes the teacher's rows of the training images, or reads them.

    Args:
        teacher: The teacher that `of_run` returned.
        config: The flags of the run.
        directory: The directory of the run.
        images: The data set as the student sees it.
        metadata: See `of_run`; the digest of the rows is added to a new run's,
            and compared with a resumed run's.
        processes: The processes that train together.
        load: Loads the data set that a config names.

    Raises:
        InputError: If the rows are not those that the run began with, cannot
            be computed, or the data set changes meanwhile.
    """
    if teacher.note:
        print(teacher.note)
    start = time.monotonic()
    side = metadata["encoder"]["image_size"]
    seen = functools.cache(
        lambda: _seen(
            images,
            side,
            teacher.image_size,
            lambda: load(
                dataclasses.replace(config, image_size=teacher.image_size)
            ),
        )
    )
    rows = teacher_rows(
        teacher,
        images.train,
        directory.teacher,
        processes,
        seen=lambda: seen().train,
        neighbours=config.teacher_neighbours,
        seed=config.seed,
    )
    if metadata.setdefault("teacher_rows", rows.digest) != rows.digest:
        raise InputError(
            "Expected the embeddings of the teacher that the run in "
            f"{directory.path} began with. Received others: what it keeps in "
            f"{directory.teacher} was lost or changed, and the teacher gives "
            "other numbers now. Restore that directory, or begin another run "
            "with another --run_dir."
        )
    metadata["seconds"] += time.monotonic() - start
    return Lesson(teacher, seen, rows)


def evaluate(training: Training, lesson: Lesson) -> None:
    """Adds the kNN figure of the teacher itself to the metadata.

    Its rows are the gallery, whatever the student learns, and the test images'
    features go through the same head.
    """
    if not training.knn.possible:
        return
    start = time.monotonic()
    queries = gallery = lesson.rows.rows
    if training.images.test is not None:
        test = lesson.seen().test
        assert test is not None  # As `_seen` has compared it.
        features = lesson.teacher.features(test, training.processes)
        queries = lesson.rows.head.rows(features)
    found = training.knn.classify(queries, gallery)
    results.add_baseline(training, BASELINE, found)
    training.metadata["seconds"] += time.monotonic() - start


def _find(config: TrainConfig) -> Start:
    with sources.full_precision():
        return sources.find_teacher(config)


def _open(
    start: Start, image_size: int, processes: ProcessGroup
) -> keras.Model:
    """Builds a teacher's trunk under the strategy, with its weights."""
    with processes.strategy.scope(), sources.flags_of_teacher():
        return sources.open_trunk(start, image_size)


def _seen(
    images: ImageData,
    side: int,
    teacher_side: int,
    again: Callable[[], ImageData],
) -> ImageData:
    """Returns the images with as many pixels as the teacher can use.

    Args:
        images: The data set as the student sees it.
        side: The side of the student's images, in pixels.
        teacher_side: The side of the teacher's images, in pixels.
        again: Loads the data set again, for the teacher's images.

    Raises:
        InputError: If the data set that is loaded again has other images.
    """
    splits = [images.train, images.test]
    resized = any(split is not None and split.resized for split in splits)
    if teacher_side <= side or not resized:
        return images
    larger = again()
    for before, now in zip(splits, (larger.train, larger.test), strict=True):
        if _mark(before) != _mark(now):
            raise InputError(
                f"Expected the images of {images.name} to stay as they are "
                "while the teacher sees them. Received others when they were "
                "read for the teacher. Start again."
            )
    return larger


def _mark(split: Any) -> str | None:
    return None if split is None else fingerprint(split)
