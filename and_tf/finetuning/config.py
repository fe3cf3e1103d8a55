"""Defines the config of a fine-tuning, the flags of `and_tf.finetune`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import ClassVar

from and_tf import storage
from and_tf.training.flags import views
from and_tf.training.run_flags import OnRunConfig
from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class FinetuneConfig(OnRunConfig):
    """The config of a fine-tuning."""

    ended_with: ClassVar[str] = "seed"

    output_dir: str = option(
        Group.OUTPUT,
        "",
        "Directory that the fine-tuning writes to. If empty, it is "
        "<run_dir>/finetune.",
        free=True,
        path=True,
        urls=True,
    )
    resume: bool = option(
        Group.OUTPUT,
        False,
        "Continue the fine-tuning in --output_dir from its last checkpoint, "
        "or begin it if there is none. Without this flag an existing one is "
        "never touched.",
        free=True,
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
    labels: str = option(
        Group.DATA,
        "",
        "CSV file of labels, with the columns file and label. A file is named "
        "by its path below the run's folder of images; an image of another "
        "data set by its sample number, 0 for the first training image. "
        "Images that are not named have no label. If empty, the data set's "
        "own labels are used.",
        free=True,
        path=True,
    )
    labelled_fraction: float = option(
        Group.DATA,
        1.0,
        "Share of the labels that is used, drawn at random from each class by "
        "--seed; every class keeps one or more. A smaller share is part of a "
        "larger one with the same seed.",
        unit="share",
        above=0.0,
        most=1.0,
    )
    held_out: float = option(
        Group.DATA,
        0.2,
        "Share of the labels in use that nothing is learnt from. It chooses "
        "the best epoch and the temperature, so that the test split, which is "
        "looked at once at the end, chooses nothing.",
        unit="share",
        above=0.0,
        most=0.9,
    )

    compare: bool = option(
        Group.METHOD,
        True,
        "Train the same network from scratch too, with the same labels and "
        "epochs, for comparison. With --resume it can be added later.",
        free=True,
    )
    freeze_statistics: bool = option(
        Group.METHOD,
        True,
        "Keep the statistics of batch normalisation as they are; its scales "
        "and offsets learn. With few images, new statistics undo what was "
        "learnt before. From scratch they are always learnt.",
    )
    head_epochs: int = option(
        Group.SCHEDULE,
        100,
        "Number of epochs in which a linear head is trained on frozen "
        "features. Fine-tuning begins with this head.",
        unit="epochs",
        least=1,
        most=bounds.EPOCHS,
    )
    epochs: int = option(
        Group.SCHEDULE,
        50,
        "Largest number of epochs in which encoder and head are trained "
        "together.",
        unit="epochs",
        least=1,
        most=bounds.EPOCHS,
    )
    patience: int = option(
        Group.SCHEDULE,
        20,
        "Number of epochs without a better figure on the held-out images "
        "after which training ends. The best epoch is kept in any case. 0 "
        "never ends it early.",
        unit="epochs",
        least=0,
        most=bounds.EPOCHS,
    )
    batch_size: int = option(
        Group.SCHEDULE,
        64,
        "Number of images in a step, over all devices together; all images "
        "if there are fewer.",
        unit="images",
        least=2,
        most=bounds.BATCH,
    )
    learning_rate: float = option(
        Group.SCHEDULE,
        1e-3,
        "Peak learning rate of the encoder. The rates of AdamW rise for a "
        "tenth of the steps and fall to 0 by a cosine. Large networks with "
        "weights of other data may want 1e-4.",
        unit="rate",
        above=0.0,
        most=bounds.FACTOR,
    )
    head_learning_rate: float = option(
        Group.SCHEDULE,
        1e-3,
        "Peak learning rate of the head.",
        unit="rate",
        above=0.0,
        most=bounds.FACTOR,
    )
    scratch_learning_rate: float = option(
        Group.SCHEDULE,
        1e-3,
        "Peak learning rate of encoder and head from scratch.",
        unit="rate",
        above=0.0,
        most=bounds.FACTOR,
    )
    weight_decay: float = option(
        Group.SCHEDULE,
        1e-2,
        "Weight decay of AdamW: the share of the weights that a step with a "
        "learning rate of 1 would take away.",
        unit="factor",
        least=0.0,
        most=bounds.FACTOR,
    )
    crop_area: float = views.crop_area(0.5)
    colour_jitter: float = views.colour_jitter(0.1)
    flip: float = views.flip(
        "It is 0, as in training; 0.5 helps where left and right do not matter."
    )
    precision: str = option(
        Group.DEVICES,
        "float32",
        "Keras' precision policy; the mixed ones compute the network in half "
        "precision, for GPUs that are faster at it. The loss is always "
        "computed in float32.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    seed: int = option(
        Group.SCHEDULE,
        0,
        "Random seed for the choice of labels, weights, data order and views.",
        unit="seed",
        least=0,
        most=bounds.SEED,
    )

    @property
    def output_directory(self) -> pathlib.Path:
        """The directory that the fine-tuning writes to."""
        return storage.place(self.output_dir or f"{self.run_dir}/finetune")

    @property
    def title(self) -> str:
        """A title for people, with the run that is fine-tuned."""
        return f"fine-tuning of {self.run_dir}"
