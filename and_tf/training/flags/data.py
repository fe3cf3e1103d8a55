"""Defines the flags of what a run learns from and where it writes."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option
from and_tf.utils.pixel_ranges import MOST_CHANNELS


@dataclasses.dataclass(frozen=True)
class DataFlags:
    """The flags of data, of output, and of runs to go on with."""

    dataset: str = option(
        Group.DATA,
        "cifar10",
        "Data set to learn from: the name of a data set of TensorFlow "
        "Datasets (TFDS); digits for scikit-learn's digits, which need no "
        "download; what --data_dir names, as folder, manifest (a table of "
        "paths), huggingface, tfrecord, array_record, webdataset, archive (a "
        ".zip or .tar of a folder) or arrays (.npy, .npz); huggingface:NAME "
        "for a data set of the Hugging Face hub; or module:function for a "
        "function that returns a reader of yours.",
    )
    data_dir: str = option(
        Group.DATA,
        "",
        "Directory of images with --dataset=folder; the file, directory or "
        "pattern, such as shards/train-{0000..0010}.tar, of other data that "
        "lie here; else the directory where TFDS, or datasets for "
        "huggingface:NAME, keeps its data sets. If empty, it is their own "
        "default.",
        free=True,
        path=True,
        urls=True,
    )
    label_key: str = option(
        Group.DATA,
        "",
        "Label to evaluate with: a feature of a data set, such as "
        "coarse_label of cifar100, a column of a table, or an array. If "
        "empty, it is the data set's own label, or is found by its usual "
        "names.",
    )
    image_key: str = option(
        Group.DATA,
        "",
        "Feature, column or array of images, or of their paths in a table. If "
        "empty, it is found by its usual names. Not for TFDS and folders.",
    )
    split_key: str = option(
        Group.DATA,
        "",
        "Column of a table that names the split of each row. If empty, it is "
        "found by its usual names.",
    )
    train_split: str = option(
        Group.DATA,
        "",
        "Split to learn from, such as train[:45000], the name of a "
        "sub-folder, a value of --split_key, or a word or pattern of the "
        "names of files, such as 'train-*'. If empty, the data set's own "
        "training split is used.",
    )
    test_split: str = option(
        Group.DATA,
        "",
        "Split to evaluate on, such as test, in the same notation. If empty, "
        "the data set's own test split is used.",
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
    channels: int = option(
        Group.DATA,
        3,
        "Channels of the images: 3 for RGB, 1 to keep grey as grey, 4 for RGB "
        "with the opacity (RGBA), or the number of bands of TIFFs or arrays. "
        "Files of other channels are left out and named, but colour becomes "
        "grey, and grey becomes RGB.",
        unit="channels",
        least=1,
        most=MOST_CHANNELS,
    )
    pixel_range: str = option(
        Group.DATA,
        "",
        "Values that become the pixel values 0 and 255, as LOW,HIGH such as "
        "0,10000, or auto for two percentiles of each channel in the training "
        "images. Every export maps the same values. If it is not given, files "
        "of 8 bits are taken as they are; files of 16 bits or of floats have "
        "auto, or with --channels=3 their usual reading.",
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
        urls=True,
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
        urls=True,
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
