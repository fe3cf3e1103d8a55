"""What a training run is told: one frozen record, made from flags in mains."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, ClassVar

from absl import flags

from and_tf.utils import bounds, flag_files, paths
from and_tf.utils.errors import InputError

# So that --help of the main that has them defined lists them.
flags.disclaim_key_flags()


def option(default: Any, text: str, **notes: Any) -> Any:
    """A field with its help text and what else is known of it.

    Args:
        default: Its default; the type of the flag follows from it.
        text: The help text.
        **notes: `type`, of a flag whose default is None; `choices`, a tuple;
            `least` and `most`, the numbers allowed; `above`, a bound that is
            not allowed itself: a number has `most` and one of the others, see
            `bounds`; `path`, True where it is a path, see `paths`; `free`,
            True where a
            resumed run may have another value than before; `of_rounds`, True
            where instance learning does not depend on it.
    """
    return dataclasses.field(default=default, metadata={"help": text, **notes})


class RunConfig:
    """A frozen record that a run directory keeps as its flagfile.

    Attributes:
        ended_with: The flag that such files ended with before they had a line
            that says so.
    """

    ended_with: ClassVar[str] = "knn_temperature"

    def differences(self, other: RunConfig) -> list[str]:
        """Names of the fields in which two configs are different runs."""
        return [
            name
            for name in self.run_fields()
            if getattr(self, name) != getattr(other, name)
        ]

    def run_fields(self) -> list[str]:
        """Names of the fields that make a run another run."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if not field.metadata.get("free")
        ]

    def to_flags(self) -> list[str]:
        """Flags that make this config again."""
        return [
            f"--{name}={value}"
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        ]

    def to_flagfile(self) -> str:
        """Makes a flagfile of them, whose last line shows that it is whole."""
        return flag_files.text_of(self.to_flags())


@dataclasses.dataclass(frozen=True)
class LoopConfig(RunConfig):
    """What every training loop is told, whatever it trains."""

    strategy: str = option(
        "auto",
        "auto: none for up to one GPU, mirrored from two, multi_worker where "
        "TF_CONFIG names several processes.",
        choices=("auto", "default", "mirrored", "multi_worker"),
        free=True,
    )
    communication: str = option(
        "auto",
        "How devices exchange gradients: nccl, NVIDIA's library; ring, "
        "TensorFlow's own, which needs none; auto: nccl where all devices "
        "are GPUs, else ring.",
        choices=("auto", "nccl", "ring"),
        free=True,
    )
    steps_per_execution: int = option(
        0,
        "Steps that the device is given at a time. Between two such groups "
        "the progress bar moves and Ctrl-C is heard. 0: one on a CPU; on a "
        "GPU as many as take about a second.",
        least=0,
        most=bounds.STEPS,
        free=True,
    )
    checkpoint_steps: int = option(
        2000,
        "Steps between checkpoints within an epoch, where "
        "--checkpoint_seconds have passed. 0: none within.",
        least=0,
        most=bounds.STEPS,
        free=True,
    )
    checkpoint_epochs: int = option(
        1,
        "Epochs between checkpoints, where --checkpoint_seconds have passed. "
        "The end of a round, the best epoch so far, the last one and Ctrl-C "
        "or SIGTERM have a checkpoint in any case.",
        least=1,
        most=bounds.EPOCHS,
        free=True,
    )
    checkpoint_seconds: float = option(
        60.0,
        "Seconds between checkpoints, at least: what a run that is killed "
        "has to do again. 0: as often as epochs and steps say.",
        least=0.0,
        most=float(bounds.SECONDS),
        free=True,
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(LoopConfig):
    """Everything that a run depends on: the flags of `and_tf.train`.

    `python -m and_tf.train --help` describes each of them.

    Raises:
        InputError: If a value is out of its range.

    Examples:
        >>> import and_tf
        >>> config = and_tf.TrainConfig(dataset="digits", backbone="small")
        >>> config.run_directory.as_posix()
        'runs/digits'
        >>> config.to_flags()[:2]
        ['--strategy=auto', '--communication=auto']
    """

    dataset: str = option(
        "cifar10",
        "A TFDS name, `folder` (a directory of images, --data_dir), or "
        "`digits` (scikit-learn's, inside the package).",
    )
    data_dir: str = option(
        "",
        "Where data sets lie, or the directory of images. Empty: TFDS' own "
        "default.",
        free=True,
        path=True,
    )
    label_key: str = option(
        "", "Which label to evaluate with; cifar100 also has coarse_label."
    )
    train_split: str = option("", "TFDS split to learn from. Empty: its own.")
    test_split: str = option("", "TFDS split to evaluate on. Empty: its own.")
    max_train_examples: int = option(
        0,
        "A fixed random subset of so many training images. 0: all.",
        least=0,
        most=bounds.INT32,
    )
    max_test_examples: int = option(
        0,
        "A fixed random subset of so many test images. 0: all.",
        least=0,
        most=bounds.INT32,
    )
    memory_gib: float = option(
        4.0,
        "Splits of up to so many GiB are held in memory, others streamed.",
        least=0.0,
        most=bounds.GIB,
        free=True,
    )
    run_dir: str = option(
        "",
        "What the run writes to. Empty: runs/<dataset>.",
        free=True,
        path=True,
    )
    resume: bool = option(
        False, "Go on with the run in --run_dir where there is one.", free=True
    )

    start_from: str = option(
        "",
        "Directory of a run with the same flags, apart from those of rounds. "
        "Its instance-learning checkpoint is reused; on a CPU the result is "
        "identical to training from scratch.",
        free=True,
        path=True,
    )

    pretext: str = option(
        "and",
        "What the encoder is trained by: and; rotation, to tell the four "
        "quarter turns of each view apart (RotNet; a step encodes four times "
        "the images); or supervised, the training labels, as a ceiling. The "
        "latter two have no rounds and need --rounds=0, and what flags say "
        "of the bank and of neighbours does not concern them.",
        choices=("and", "rotation", "supervised"),
    )
    backbone: str = option(
        "resnet18",
        "The encoder.",
        choices=("small", "alexnet", "resnet18", "resnet50", "resnet101"),
    )
    width: float = option(
        1.0, "Factor of the encoder's channel counts.", above=0.0, most=16.0
    )
    image_size: int = option(
        0,
        "Side of the encoder's square input. 0: the images' own where they "
        "share one up to 96, else 224.",
        least=0,
        most=bounds.SIDE,
    )
    view_size: int = option(
        0,
        "Side of the views that it is trained on. 0: --image_size. Random "
        "crops show things larger than whole images do, so an encoder trained "
        "on smaller views is evaluated better, and trained faster (Touvron et "
        "al., 2019). Not for alexnet, which takes one size alone.",
        least=0,
        most=bounds.SIDE,
    )
    embedding_dim: int = option(
        128, "D, the embedding's size.", least=2, most=bounds.CHANNELS
    )
    temperature: float = option(
        0.1,
        "τ of equation 2, in training and discovery; of the softmax over "
        "classes in other pretexts.",
        above=0.0,
        most=bounds.FACTOR,
    )
    memory_momentum: float = option(
        0.5,
        "η of equation 8: the weight of the new embedding.",
        above=0.0,
        most=1.0,
    )
    bank_initialiser: str = option(
        "unit",
        "The memory bank's first rows: random on the unit sphere; uniform in "
        "±sqrt(3/D), as in the authors' code; or the untrained encoder's "
        "embeddings, which saves short runs an epoch that learns noise.",
        choices=("unit", "uniform", "encoder"),
    )
    neighbourhood_size: int = option(
        1,
        "k of equation 1, neighbours beside the sample itself.",
        least=1,
        most=bounds.NEIGHBOURS,
        of_rounds=True,
    )

    rounds: int = option(
        4,
        "R of equation 6. 0: instance learning alone.",
        least=0,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    epochs_per_round: int = option(
        200,
        "Epochs of each round.",
        least=1,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    initial_epochs: int = option(
        -1,
        "Epochs of instance learning before round 1. -1: as many as a round "
        "has; 0: start from a random encoder.",
        least=-1,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    selection: str = option(
        "curriculum",
        "Which samples become anchors: r/R of them in round r, all in one "
        "discovery, all in every round with random members of their own "
        "k-means cluster as neighbours (after DeepCluster), or none.",
        choices=("curriculum", "one_off", "clusters", "none"),
        of_rounds=True,
    )
    clusters: int = option(
        0,
        "Clusters of --selection=clusters. 0: one for every 128 images, as "
        "DeepCluster's 10,000 for ImageNet.",
        least=0,
        most=bounds.CLUSTERS,
        of_rounds=True,
    )

    batch_size: int = option(
        128, "Images a step, over all devices.", least=2, most=bounds.BATCH
    )
    learning_rate: float = option(
        0.03, "Peak learning rate of each round.", above=0.0, most=bounds.FACTOR
    )
    learning_rate_schedule: str = option(
        "step",
        "Within a round: step (×0.1 after 2/5 and every further 1/5), "
        "cosine, constant.",
        choices=("step", "cosine", "constant"),
    )
    warmup_epochs: float = option(
        0.0, "Of every round, rising linearly.", least=0.0, most=bounds.EPOCHS
    )
    weight_decay: float = option(
        5e-4,
        "Added to the gradient, as torch's SGD does.",
        least=0.0,
        most=bounds.FACTOR,
    )
    crop_area: float = option(
        0.2,
        "Smallest share of an image that a crop shows.",
        above=0.0,
        most=1.0,
    )
    colour_jitter: float = option(
        0.4,
        "Of brightness, contrast, saturation and hue.",
        least=0.0,
        most=1.0,
    )
    greyscale: float = option(
        0.2, "Probability that a view is grey.", least=0.0, most=1.0
    )
    flip: float = option(
        0.0,
        "Probability of a mirrored view; the paper has none.",
        least=0.0,
        most=1.0,
    )
    augment_on_device: bool | None = option(
        None,
        "Augment inside the training step, instead of beside it on the CPU. "
        "Left out: where there is a GPU.",
        type=bool,
        free=True,
    )
    device_data_fraction: float = option(
        0.3,
        "Training images lie on the GPU, where they take up to this share of "
        "its memory, are in memory here and are augmented there; no image "
        "goes over the bus in a step. 0: never.",
        least=0.0,
        most=0.9,
        free=True,
    )

    precision: str = option(
        "float32",
        "Keras precision policy; norm and loss are always float32.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    sync_batch_norm: bool = option(
        False,
        "Batch norm statistics over the images of all devices, as one device "
        "with the whole batch has them; else each has its own, which is "
        "faster.",
    )
    shard_bank: bool = option(
        False,
        "Spread the memory bank's rows over the replicas, for banks too large "
        "for each to hold whole. Results are the same.",
        free=True,
    )
    loss_block_rows: int = option(
        0,
        "Rows of the memory bank that the loss takes at a time. 0: by the "
        "device.",
        least=0,
        most=bounds.INT32,
        free=True,
    )
    seed: int = option(
        0,
        "Random seed for weights, data order, views and subsets.",
        least=0,
        most=bounds.SEED,
    )

    keep_rounds: bool = option(
        True,
        "Keep the checkpoint at the end of instance learning and of each "
        "round, for --checkpoint=round_<r> and what compares rounds: one file "
        "a round, as large as any checkpoint. A run resumed without it drops "
        "those that it has.",
        free=True,
    )
    evaluate_every: int = option(
        -1,
        "Epochs between kNN evaluations on the bank, or on the clean gallery "
        "where the pretext has no bank. 0: at the end of rounds alone, where "
        "the clean gallery is evaluated too. -1: as often as should take up to "
        "about 5 % of the time, estimated from the numbers of images and the "
        "kind of device.",
        least=-1,
        most=bounds.EPOCHS,
        free=True,
    )
    baselines: bool = option(
        True,
        "Evaluate raw pixels and the untrained encoder before the first step: "
        "one pass over the images, long for a large encoder on a CPU.",
        free=True,
    )
    knn_neighbours: int = option(
        200, "K of the kNN evaluation.", least=1, most=bounds.NEIGHBOURS
    )
    knn_temperature: float = option(
        0.1, "τ of the kNN evaluation's weights.", above=0.0, most=bounds.FACTOR
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.dataset == "folder" and not self.data_dir:
            raise InputError(
                "Expected --data_dir, a directory of images, with "
                "--dataset=folder. Received none."
            )
        if self.view_size and self.backbone == "alexnet":
            raise InputError(
                "Expected no --view_size with --backbone=alexnet, whose dense "
                "layers take one size of images alone. Received: "
                f"{self.view_size}."
            )
        if self.clusters and self.selection != "clusters":
            raise InputError(
                "Expected --clusters with --selection=clusters alone. "
                f"Received: {self.clusters} with {self.selection}."
            )
        if self.first_round_epochs + self.rounds * self.epochs_per_round > (
            bounds.EPOCHS
        ):
            raise InputError(
                f"Expected at most {bounds.EPOCHS:,} epochs in all rounds. "
                f"Received: --initial_epochs={self.first_round_epochs} and "
                f"--rounds={self.rounds} of --epochs_per_round="
                f"{self.epochs_per_round}."
            )
        if self.rounds and not self.has_bank:
            raise InputError(
                f"Expected --rounds=0 with --pretext={self.pretext}, which "
                f"discovers no neighbourhoods. Received: {self.rounds}. Give "
                "--rounds=0, and the epochs as --initial_epochs."
            )

    @property
    def run_directory(self) -> pathlib.Path:
        """Where the run writes."""
        return pathlib.Path(self.run_dir or f"runs/{self.dataset}")

    @property
    def has_bank(self) -> bool:
        """Whether its model has a memory bank, and so can have rounds."""
        return self.pretext == "and"

    @property
    def first_round_epochs(self) -> int:
        """Epochs of instance learning, with -1 resolved."""
        if self.initial_epochs < 0:
            return self.epochs_per_round
        return self.initial_epochs

    def instance_differences(self, other: TrainConfig) -> list[str]:
        """Names of the fields by which instance learning differs."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        names = [
            name
            for name in self.differences(other)
            if not fields[name].metadata.get("of_rounds")
        ]
        if self.first_round_epochs != other.first_round_epochs:
            names.append("initial_epochs")
        return names

    @property
    def title(self) -> str:
        """What it is a run of."""
        by = {"supervised": ", by its labels", "rotation": ", by rotations"}
        return f"{self.backbone} on {self.dataset}{by.get(self.pretext, '')}"


def check_fields(config: Any) -> None:
    """Holds each field of a config against the notes of its `option`.

    Paths become as `paths.read` has them, also where the config is frozen.

    Raises:
        InputError: If a value is out of bounds, none of the choices, or a
            text that no flagfile could keep.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata.get("path"):
            value = paths.read(field.name, value)
            object.__setattr__(config, field.name, value)
        _check(field, value)


def _check(field: dataclasses.Field, value: Any) -> None:
    notes = field.metadata
    flag = f"--{field.name}"
    if "choices" in notes and value not in notes["choices"]:
        raise InputError(
            f"Expected {flag} to be one of {', '.join(notes['choices'])}. "
            f"Received: {value!r}."
        )
    if type(field.default) in (int, float):
        bounds.check(field.name, value, notes)
    if isinstance(value, str):
        paths.check_text(field.name, value)


def define_flags(config: type, values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each field of a config class."""
    define = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    for field in dataclasses.fields(config):
        text = field.metadata["help"]
        if "choices" in field.metadata:
            flags.DEFINE_enum(
                field.name,
                field.default,
                field.metadata["choices"],
                text,
                flag_values=values,
            )
        elif field.metadata.get("path"):
            paths.define(field.name, field.default, text, values)
        else:
            kind = field.metadata.get("type", type(field.default))
            define[kind](field.name, field.default, text, flag_values=values)


def from_flags(
    config: type, values: flags.FlagValues = flags.FLAGS, **instead: Any
) -> Any:
    """Makes a config from parsed flags.

    Args:
        config: Its class.
        values: The flags.
        **instead: What stands in the place of some flags' values.
    """
    parsed = {
        field.name: values[field.name].value
        for field in dataclasses.fields(config)
    }
    return config(**parsed | instead)


def from_run(config: type[RunConfig], path: pathlib.Path) -> Any:
    """Makes a config from the flagfile that a run directory keeps.

    Raises:
        InputError: If it is cut, or of another version.
    """
    flag_files.check_whole(path, config.ended_with)
    return from_flagfile(config, path)


def from_flagfile(config: type, path: pathlib.Path) -> Any:
    """Makes a config from any flagfile, which may name others.

    Raises:
        InputError: If it cannot be read, or is of another version.
    """
    values = flags.FlagValues()
    define_flags(config, values)
    try:
        values(["", *flag_files.expand(flag_files.read(path))])
    # One that it names may be no text, or its name none.
    except (flags.Error, OSError, ValueError) as error:
        raise InputError(
            f"Expected a flagfile of this version in {path}. Received: {error}"
        ) from error
    return from_flags(config, values)
