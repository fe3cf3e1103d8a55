"""What clustering is told: the flags of `and_tf.cluster`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import ClassVar

from and_tf.training.config import (
    LoopConfig,
    RunConfig,
    check_fields,
    option,
)
from and_tf.utils import bounds, checkpoint_names
from and_tf.utils.errors import InputError

# By what they are called in --augmentation; see `views.recipe`.
AUGMENTATIONS = ("strong", "weak")
LABEL_VIEWS = ("clean", "weak")


@dataclasses.dataclass(frozen=True)
class ClusterConfig(LoopConfig):
    """Everything that a clustering depends on; the paper's by default."""

    ended_with: ClassVar[str] = "checkpoint_steps"

    run_dir: str = option(
        "",
        "The run of and_tf.train whose encoder and images are taken.",
        free=True,
        path=True,
    )
    checkpoint: str = option(
        "last",
        "Which of its checkpoints: last; best, which was chosen on labels; or "
        "round_<r>.",
    )
    output_dir: str = option(
        "",
        "What the clustering writes to. Empty: <run_dir>/scan.",
        free=True,
        path=True,
    )
    data_dir: str = option(
        "",
        "Where the run's data set lies. Empty: where it lay in training.",
        free=True,
        path=True,
    )
    memory_gib: float = option(
        4.0,
        "Splits of up to so many GiB are held in memory; the training images "
        "have to be.",
        least=0.0,
        most=bounds.GIB,
        free=True,
    )
    resume: bool = option(
        False,
        "Go on with the clustering in --output_dir where there is one.",
        free=True,
    )

    clusters: int = option(
        0,
        "C. 0: as many as the data set has classes, which is to know "
        "something about it.",
        least=0,
        most=bounds.CLUSTERS,
    )
    neighbours: int = option(
        20,
        "K, mined for each image; 50 on ImageNet.",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    mining: str = option(
        "features",
        "What is paired: features, an image and any of its mined neighbours; "
        "or oracle, only those neighbours that have the image's own label, as "
        "a ceiling. That uses labels, so it is no result without them.",
        choices=("features", "oracle"),
    )
    entropy_weight: float = option(
        5.0,
        "λ: what evenly used clusters are worth.",
        least=0.0,
        most=bounds.FACTOR,
    )
    heads: int = option(
        1,
        "Classifiers beside each other, of which the one with the lowest loss "
        "on the evaluation split's images, unlabelled, is kept; 10 on "
        "ImageNet.",
        least=1,
        most=bounds.REPEATS,
    )
    features: str = option(
        "backbone",
        "What the heads see: the backbone's pooled features, as in the "
        "authors' code, or the embedding that it was trained by.",
        choices=("backbone", "embedding"),
    )
    freeze: bool = option(
        False,
        "Leave the encoder as it is in clustering and learn the heads alone, "
        "as on ImageNet: quicker. Self-labelling fine-tunes it in any case.",
    )
    augmentation: str = option(
        "strong",
        "Views of images and neighbours; strong: flip, crop of what is larger "
        "than they are, four operations of RandAugment and Cutout; weak: "
        "those that the encoder was trained on.",
        choices=AUGMENTATIONS,
    )

    epochs: int = option(
        50, "Passes over the training images.", least=1, most=bounds.EPOCHS
    )
    batch_size: int = option(
        128,
        "Images a step, over all devices; as many neighbours.",
        least=2,
        most=bounds.BATCH,
    )
    optimiser: str = option(
        "adam",
        "Of both steps: adam, or sgd with a momentum of 0.9, the authors' on "
        "ImageNet.",
        choices=("adam", "sgd"),
    )
    learning_rate: float = option(
        1e-4, "Constant.", above=0.0, most=bounds.FACTOR
    )
    weight_decay: float = option(
        1e-4,
        "Added to the gradient, as torch does.",
        least=0.0,
        most=bounds.FACTOR,
    )
    precision: str = option(
        "float32",
        "Keras precision policy; the loss is always float32.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    seed: int = option(
        0,
        "Random seed for heads, data order, views and pairs.",
        least=0,
        most=bounds.SEED,
    )
    kmeans_seeds: int = option(
        3,
        "How often k-means is run to compare with; 0: not at all.",
        least=0,
        most=bounds.REPEATS,
    )

    self_labelling_epochs: int = option(
        200,
        "Passes of the step after clustering, in which confident answers are "
        "the labels of strong views of the same images; 0: none.",
        least=0,
        most=bounds.EPOCHS,
        later=True,
    )
    self_labelling_batch_size: int = option(
        1000,
        "Images a step of self-labelling, over all devices; all images where "
        "there are fewer.",
        least=2,
        most=bounds.BATCH,
        later=True,
    )
    self_labelling_learning_rate: float = option(
        1e-4,
        "Constant, in self-labelling.",
        above=0.0,
        most=bounds.FACTOR,
        later=True,
    )
    label_view: str = option(
        "clean",
        "What the labels of self-labelling are the answers to: clean images, "
        "as in the authors' code, or weak views, as the paper says; weak: "
        "those that the encoder was trained on.",
        choices=LABEL_VIEWS,
        later=True,
    )
    threshold: float = option(
        0.99,
        "The probability above which an answer is a label.",
        least=0.0,
        most=1.0,
        later=True,
    )
    balance: bool = option(
        True,
        "Weight the self-labelling loss by inverse cluster frequency.",
        later=True,
    )
    ema: float = option(
        0.0,
        "Decay of the weights' moving average in self-labelling, which is "
        "then what is evaluated and kept; 0: the weights. The authors' code "
        "goes on from the average after each step, which is a learning rate "
        "of 1 - ema times the one given.",
        least=0.0,
        most=0.99999,
        later=True,
    )
    patience: int = option(
        20,
        "End self-labelling where the share of confident images has not "
        "grown by a thousandth for so many epochs; 0: never, as in the "
        "authors' code.",
        least=0,
        most=bounds.EPOCHS,
        later=True,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        checkpoint_names.round_of(self.checkpoint)  # Refuses what is none.
        if not self.run_dir:
            raise InputError(
                "Expected --run_dir, the directory of a run of "
                "python -m and_tf.train. Received none."
            )
        if self.clusters == 1:
            raise InputError("Expected --clusters of 2 or more. Received: 1.")

    def differences(self, other: RunConfig) -> list[str]:
        """But for self-labelling, which a clustering may be given later."""
        later = self.later_fields()
        return [
            name for name in super().differences(other) if name not in later
        ]

    @classmethod
    def later_fields(cls) -> list[str]:
        """Names of the fields that only self-labelling depends on."""
        fields = dataclasses.fields(cls)
        return [field.name for field in fields if field.metadata.get("later")]

    @property
    def output_directory(self) -> pathlib.Path:
        """Where the clustering writes."""
        return pathlib.Path(self.output_dir or f"{self.run_dir}/scan")

    @property
    def uses_labels(self) -> bool:
        """Whether what is learnt depends on labels."""
        return self.mining == "oracle"

    @property
    def title(self) -> str:
        """What it is a run of."""
        return f"SCAN on {self.run_dir}"
