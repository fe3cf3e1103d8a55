"""Defines the flags of what a run learns from and where it writes."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class DataFlags:
    """The flags of data, of output, and of runs to go on with."""

    dataset: str = option(
        Group.DATA,
        "cifar10",
        "Data set to learn from: the name of a data set of TensorFlow "
        "Datasets (TFDS), folder for the images below --data_dir, or digits "
        "for scikit-learn's digits, which need no download.",
    )
    data_dir: str = option(
        Group.DATA,
        "",
        "Directory of images with --dataset=folder, else the directory where "
        "TFDS keeps its data sets. If empty, it is TFDS' own default.",
        free=True,
        path=True,
    )
    label_key: str = option(
        Group.DATA,
        "",
        "Label of a TFDS data set to evaluate with, such as coarse_label of "
        "cifar100. If empty, it is the data set's own label.",
    )
    train_split: str = option(
        Group.DATA,
        "",
        "Split to learn from, such as train[:45000], or the name of a "
        "sub-folder. If empty, the data set's own training split is used.",
    )
    test_split: str = option(
        Group.DATA,
        "",
        "Split to evaluate on, such as test, or the name of a sub-folder. If "
        "empty, the data set's own test split is used.",
    )
    max_train_examples: int = option(
        Group.DATA,
        0,
        "Number of training images, a random subset that depends on --seed "
        "alone. 0 uses all images.",
        unit="images",
        least=0,
        most=bounds.INT32,
    )
    max_test_examples: int = option(
        Group.DATA,
        0,
        "Number of test images, a random subset that depends on --seed alone. "
        "0 uses all images.",
        unit="images",
        least=0,
        most=bounds.INT32,
    )
    memory_gib: float = option(
        Group.DATA,
        4.0,
        "Largest split, in GiB of decoded pixels, that is held in memory. "
        "Larger splits are read from the disk in every epoch, which is slower.",
        unit="GiB",
        least=0.0,
        most=bounds.GIB,
        free=True,
    )
    run_dir: str = option(
        Group.OUTPUT,
        "",
        "Directory that the run writes to. If empty, it is runs/<dataset>.",
        free=True,
        path=True,
    )
    resume: bool = option(
        Group.OUTPUT,
        False,
        "Continue the run in --run_dir from its last checkpoint, or begin it "
        "if there is none. Without this flag an existing run is never touched.",
        free=True,
    )
    tracker: str = option(
        Group.OUTPUT,
        "",
        "Where flags and figures are sent beside TensorBoard: wandb, Weights "
        "& Biases, or mlflow, by their own settings. A resumed run goes on "
        "with the same run there. If empty, nothing is sent.",
        choices=("", "wandb", "mlflow"),
        free=True,
    )
    start_from: str = option(
        Group.METHOD,
        "",
        "Directory of another run whose instance-learning checkpoint this run "
        "begins with. Apart from the flags of rounds, both need the same "
        "flags. On a CPU the result is identical to training from scratch.",
        free=True,
        path=True,
    )
    pretext: str = option(
        Group.METHOD,
        "and",
        "What the encoder learns from: and, the neighbourhoods of this "
        "method; rotation, telling the four quarter turns of each view apart "
        "(RotNet), which encodes four times the images in each step; "
        "supervised, the labels, as an upper bound; or distillation, the "
        "embeddings of a trained encoder, --teacher, which "
        "--distillation_weight learns beside and. All but and need "
        "--rounds=0, and ignore the flags of the memory bank and of "
        "neighbours.",
        choices=("and", "rotation", "supervised", "distillation"),
    )
