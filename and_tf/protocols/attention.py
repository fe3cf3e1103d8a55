"""Shows by Grad-CAM where the encoder looked at the end of each round.

See `evaluation.grad_cam` for the score that the maps explain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from and_tf import encoders
from and_tf import figures as drawing
from and_tf.data.pipeline import clean_batches
from and_tf.data.split import take
from and_tf.evaluation.grad_cam import GradCam
from and_tf.figures.attention_grid import Column
from and_tf.figures.tiles import class_name
from and_tf.protocols.attention_maps import (
    BATCH,
    Moment,
    checkpoint_files,
    checkpoints,
    describe,
    look,
)
from and_tf.protocols.config import Options
from and_tf.protocols.results import Findings
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from and_tf.utils.pictures import picture as picture_of
from and_tf.utils.progress import Counted

PICTURE = "attention"


def evaluate(run: Run, options: Options) -> Findings:
    """Draws heat maps of some training images and measures maps of more.

    It uses the checkpoints that the run kept at the ends of its rounds, and
    the run's own checkpoint if that is another one. Labels are optional; they
    only name the rows of the picture.

    Raises:
        InputError: If an image does not exist, the run has no memory bank, or
            a checkpoint was written without its memory bank.
    """
    if not run.config.has_bank:
        raise InputError(
            "Expected a run with a memory bank for --protocols=attention, "
            "which compares each image with its own row. Received: "
            f"{run.directory.path}, which was trained with "
            f"--pretext={run.config.pretext}."
        )
    train = run.images.train
    shown, measured = choose(train.size, options)
    numbers = np.union1d(shown, measured)
    batches = clean_batches(take(train, numbers), run.image_size, BATCH)
    views = np.concatenate([images.numpy() for images, _ in batches])
    encoder = encoders.build(**run.built_from)
    cam = GradCam(encoder)
    files = checkpoint_files(run)
    with Counted("attention", len(files) * len(numbers)) as progress:
        moments = [
            look(cam, encoder, number, checkpoint, views, numbers, progress)
            for number, checkpoint in checkpoints(run, files)
        ]
    of_measured = np.searchsorted(numbers, measured)
    figures = {
        "protocol": _protocol(run, cam, moments[0], measured, options),
        "images": shown.tolist(),
        "rounds": [
            describe(moment, of_measured, run.image_size) for moment in moments
        ],
    }
    of_shown = np.searchsorted(numbers, shown)
    seen = picture_of(views[of_shown])
    picture = _picture(run, shown, seen, moments, of_shown, cam)
    return Findings(figures, _text(figures, moments), {PICTURE: picture})


def choose(count: int, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the images to show and the images to measure.

    Args:
        count: The number N of training images.
        options: The options, which name the images or say how many to draw.

    Returns:
        (sample ids to show, int64 [m]; sample ids to measure, int64 [n]).

    Raises:
        InputError: If a sample id is N or higher.
    """
    order = np.random.default_rng(options.seed).permutation(count)
    measured = order[: options.attention_measured]
    if not options.attention_numbers:
        return order[: options.attention_count], measured
    largest = max(options.attention_numbers)
    if largest >= count:
        raise InputError(
            f"Expected --attention_images from 0 to {count - 1:,}, numbers of "
            f"training images. Received: {largest}."
        )
    return np.array(options.attention_numbers, np.int64), measured


def _protocol(
    run: Run,
    cam: GradCam,
    moment: Moment,
    measured: np.ndarray,
    options: Options,
) -> dict[str, Any]:
    return {
        "method": "Grad-CAM (Selvaraju et al. 2017), arXiv 1610.02391",
        "layer": cam.layer,
        "map": list(moment.maps.shape[1:]),
        "score": "similarity of the normalised embedding with the image's own "
        "row of that checkpoint's memory bank",
        "why": "without labels there is no class score; instance "
        "discrimination raises this one, and the row is the constant that "
        "the loss pulls the embedding to",
        "images": f"clean views of {run.images.train.name}",
        "num_measured": len(measured),
        "centre_share": "of a map's mass, bilinear at the image's size, "
        "within the central square of half its side; 0.25 of an even map; "
        "none of a map below 3×3, which has no centre",
        "entropy": "of a map's mass over its places, divided by their "
        "number's logarithm; 1 of an even map",
        "seed": options.seed,
    }


def _picture(
    run: Run,
    shown: np.ndarray,
    views: np.ndarray,
    moments: list[Moment],
    of_shown: np.ndarray,
    cam: GradCam,
) -> np.ndarray:
    train = run.images.train
    names = [
        f"{class_name(number, train.labels, train.class_names)}  #{number}"
        for number in shown
    ]
    columns = [
        Column(
            moment.name,
            f"epoch {moment.epochs}" if moment.round is not None else "",
            moment.maps[of_shown],
            [
                f"{value:.2f}{'' if heat.any() else '  empty map'}"
                for value, heat in zip(
                    moment.similarities[of_shown], moment.maps[of_shown]
                )
            ],
        )
        for moment in moments
    ]
    return drawing.attention_array(
        views,
        [name.strip() for name in names],
        columns,
        title=f"attention of {run.config.encoder} on {run.config.dataset}",
        reading=(
            f"Grad-CAM at {cam.layer} ({_size(moments[0])}): what turns an "
            "image's embedding to its own row of the memory bank",
            "Below each map the cosine of the two; colours run from 0 to each "
            "map's own maximum",
        ),
    )


def _size(moment: Moment) -> str:
    """Returns the size of a moment's maps as text, such as "8×8"."""
    return "×".join(map(str, moment.maps.shape[1:]))


def _text(figures: dict[str, Any], moments: list[Moment]) -> str:
    """Formats the figures as a table with a line for each checkpoint."""

    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    protocol = figures["protocol"]
    heads = ("similarity", "centre share", "entropy")
    lines = [
        f"attention: Grad-CAM at {protocol['layer']}, {_size(moments[0])}; "
        f"means over {protocol['num_measured']:,} training images",
        f"  {'':12}" + "".join(f"{head:>14}" for head in heads),
    ]
    for moment, row in zip(moments, figures["rounds"], strict=True):
        values = (row["similarity"], row["centre_share"], row["entropy"])
        line = f"  {moment.name:12}"
        lines.append(line + "".join(f"{cell(v):>14}" for v in values))
    even = "entropy 1.000"
    if figures["rounds"][0]["centre_share"] is not None:
        even = f"centre share 0.250, {even}"
    lines.append(f"  a uniform map would have {even}")
    empty = sum(row["empty_maps"] for row in figures["rounds"])
    if empty:
        lines.append(
            f"  {empty:,} maps are 0 everywhere and do not count in the last "
            "two columns"
        )
    if all(moment.round is None for moment in moments):
        lines.append(
            "  there is no checkpoint of a round's end: no round has ended "
            "yet, or the run was trained with --nokeep_rounds"
        )
    return "\n".join(lines)
