"""Defines the flags of batches, learning rates and views."""

from __future__ import annotations

import dataclasses

from and_tf.training.flags import views
from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class LearningFlags:
    """Batches, the optimiser, and the views that it is shown."""

    batch_size: int = option(
        Group.SCHEDULE,
        128,
        "Number of images in a step, over all devices together. If you scale "
        "it with the number of devices, scale --learning_rate too.",
        unit="images",
        least=2,
        most=bounds.BATCH,
    )
    learning_rate: float = option(
        Group.SCHEDULE,
        0.0,
        "Peak learning rate of each round. 0 means 0.03, the authors' for "
        "batches of 128 images, or 0.0005 with trained weights, which larger "
        "steps would undo; and ten times that to learn a teacher's cosines, "
        "whose gradients are as much smaller.",
        unit="rate",
        least=0.0,
        most=bounds.FACTOR,
    )
    trunk_learning_rate: float = option(
        Group.SCHEDULE,
        0.0,
        "Peak learning rate of all layers but the head. 0 means "
        "--learning_rate.",
        unit="rate",
        least=0.0,
        most=bounds.FACTOR,
    )
    learning_rate_schedule: str = option(
        Group.SCHEDULE,
        "step",
        "How the learning rate falls within a round: step multiplies it by "
        "0.1 after 2/5 of the round and after every further 1/5, as the "
        "authors do; cosine lowers it smoothly to 0; constant keeps it.",
        choices=("step", "cosine", "constant"),
    )
    warmup_epochs: float = option(
        Group.SCHEDULE,
        0.0,
        "Number of epochs at the beginning of every round in which the "
        "learning rate rises linearly to its peak.",
        unit="epochs",
        least=0.0,
        most=bounds.EPOCHS,
    )
    weight_decay: float = option(
        Group.SCHEDULE,
        5e-4,
        "Factor of the weights that is added to their gradient, as in "
        "PyTorch's SGD. 5e-4 is the authors' value.",
        unit="factor",
        least=0.0,
        most=bounds.FACTOR,
    )
    crop_area: float = views.crop_area(0.2)
    colour_jitter: float = views.colour_jitter(0.4)
    greyscale: float = option(
        Group.VIEWS,
        0.2,
        "Probability that a view is turned to grey.",
        unit="probability",
        least=0.0,
        most=1.0,
    )
    flip: float = views.flip("It is 0 because the paper does not mirror.")
