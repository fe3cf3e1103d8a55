"""Defines the config of a clustering, the flags of `and_tf.cluster`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import ClassVar, NamedTuple

from and_tf import storage
from and_tf.training.run_flags import OnRunConfig
from and_tf.utils import bounds
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import Group, RunConfig, option

# The values of --augmentation and of --label_view; see `view_recipes.recipe`.
AUGMENTATIONS = ("strong", "weak", "none")
LABEL_VIEWS = ("clean", "weak")
LOSSES = ("scan", "temi")


class Defaults(NamedTuple):
    """The defaults of flags that depend on what the heads learn from."""

    heads: int
    epochs: int
    batch_size: int
    learning_rate: float
    self_labelling_epochs: int


ON_IMAGES = Defaults(1, 50, 128, 1e-4, 200)  # The paper's, as in its code.
# Chosen on 5,000 training images of CIFAR-10 that were held out, never on test
# images, with features of EfficientNet-Lite0; docs/clustering.md has figures.
ON_FEATURES = Defaults(8, 20, 256, 1e-3, 0)


@dataclasses.dataclass(frozen=True)
class ClusterConfig(OnRunConfig):
    """The config of a clustering, with the paper's values as defaults."""

    ended_with: ClassVar[str] = "checkpoint_steps"

    output_dir: str = option(
        Group.OUTPUT,
        "",
        "Directory that the clustering writes to. If empty, it is "
        "<run_dir>/scan.",
        free=True,
        path=True,
        urls=True,
    )
    memory_gib: float = option(
        Group.DATA,
        4.0,
        "Largest split, in GiB of decoded pixels, that is held in memory. The "
        "training images have to fit, as each is read together with its "
        "neighbours.",
        unit="GiB",
        least=0.0,
        most=bounds.GIB,
        free=True,
    )
    resume: bool = option(
        Group.OUTPUT,
        False,
        "Continue the clustering in --output_dir from its last checkpoint, or "
        "begin it if there is none. Without this flag an existing one is "
        "never touched.",
        free=True,
    )

    clusters: int = option(
        Group.METHOD,
        0,
        "Number of clusters C. 0 means the number of classes of the data set, "
        "which is itself some supervision.",
        unit="clusters",
        least=0,
        most=bounds.CLUSTERS,
    )
    neighbours: int = option(
        Group.METHOD,
        20,
        "Number of neighbours K that are mined for each image. The paper "
        "takes 20, and 50 on ImageNet.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    mining: str = option(
        Group.METHOD,
        "features",
        "Which images are paired: features pairs an image with any of its "
        "mined neighbours; oracle only with those that have its label, as an "
        "upper bound. As oracle uses labels, its figures are no results "
        "without labels.",
        choices=("features", "oracle"),
    )
    loss: str = option(
        Group.METHOD,
        "scan",
        "Loss of clustering: scan is SCAN's; temi the weighted pointwise "
        "mutual information of TEMI, which needs no weight of an entropy and "
        "gives better clusters of features that are computed once.",
        choices=LOSSES,
    )
    beta: float = option(
        Group.METHOD,
        0.6,
        "Exponent β of temi, above 0.5 to sharpen predictions and below 1 to "
        "keep the clusters evenly used. 0.6 is the paper's.",
        above=0.5,
        most=1.0,
    )
    entropy_weight: float = option(
        Group.METHOD,
        5.0,
        "Weight λ of the entropy term of scan, which keeps the clusters evenly "
        "used. 5 is the paper's.",
        least=0.0,
        most=bounds.FACTOR,
    )
    heads: int = option(
        Group.METHOD,
        0,
        "Number of classifiers that are trained side by side. The one with "
        "the lowest loss on the evaluation images, without labels, is kept. "
        "0 means 1, the paper's, or 8 on features that are computed once, "
        "where they cost next to nothing. The paper takes 10 on ImageNet.",
        unit="heads",
        least=0,
        most=bounds.REPEATS,
    )
    features: str = option(
        Group.METHOD,
        "backbone",
        "What the classifiers see: the backbone's pooled features, as in the "
        "authors' code, or the embedding that the encoder was trained by.",
        choices=("backbone", "embedding"),
    )
    freeze: bool = option(
        Group.METHOD,
        False,
        "Leave the encoder unchanged while clustering and train the "
        "classifiers only, which is quicker; the paper does so on ImageNet. "
        "With --augmentation=none the features are computed once, and an "
        "epoch takes seconds. Self-labelling trains the encoder in any case.",
    )
    augmentation: str = option(
        Group.VIEWS,
        "strong",
        "How images and neighbours are augmented: strong mirrors, crops, and "
        "applies four operations of RandAugment and Cutout, as the paper "
        "does; weak makes the views that the encoder was trained on; none "
        "takes whole images as they are.",
        choices=AUGMENTATIONS,
    )

    epochs: int = option(
        Group.SCHEDULE,
        0,
        "Number of epochs of clustering; an epoch is one pass over the "
        "training images. 0 means 50, the paper's, or 20 on features that are "
        "computed once.",
        unit="epochs",
        least=0,
        most=bounds.EPOCHS,
    )
    batch_size: int = option(
        Group.SCHEDULE,
        0,
        "Number of images in a step of clustering, over all devices together; "
        "each comes with one of its neighbours. 0 means 128, the paper's, or "
        "256 on features that are computed once; of these, all if there are "
        "fewer.",
        unit="images",
        least=0,
        most=bounds.BATCH,
    )
    optimiser: str = option(
        Group.SCHEDULE,
        "adam",
        "Optimiser of clustering and of self-labelling. sgd has a momentum "
        "of 0.9; the authors use it on ImageNet and adam elsewhere.",
        choices=("adam", "sgd"),
    )
    learning_rate: float = option(
        Group.SCHEDULE,
        0.0,
        "Learning rate of clustering, which stays constant. 0 means 1e-4, the "
        "authors' value for adam, or 1e-3 on features that are computed once.",
        unit="rate",
        least=0.0,
        most=bounds.FACTOR,
    )
    weight_decay: float = option(
        Group.SCHEDULE,
        1e-4,
        "Factor of the weights that is added to their gradient, as in "
        "PyTorch. 1e-4 is the authors' value.",
        unit="factor",
        least=0.0,
        most=bounds.FACTOR,
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
        "Random seed for heads, data order, views and pairs.",
        unit="seed",
        least=0,
        most=bounds.SEED,
    )
    kmeans_seeds: int = option(
        Group.EVALUATION,
        3,
        "Number of times that k-means is run, each with its own first "
        "centres, as the baseline that clustering has to beat. 0 leaves it "
        "out.",
        unit="runs",
        least=0,
        most=bounds.REPEATS,
    )

    self_labelling_epochs: int = option(
        Group.SELF_LABELLING,
        -1,
        "Largest number of epochs of self-labelling, which follows clustering "
        "and learns from its confident predictions. 0 leaves it out. -1 means "
        "200, the authors' value, or 0 on features that are computed once, "
        "which have no views to learn from.",
        unit="epochs",
        least=-1,
        most=bounds.EPOCHS,
        later=True,
    )
    self_labelling_batch_size: int = option(
        Group.SELF_LABELLING,
        1000,
        "Number of images in a step of self-labelling, over all devices "
        "together; all images if there are fewer. 1000 is the authors' value.",
        unit="images",
        least=2,
        most=bounds.BATCH,
        later=True,
    )
    self_labelling_learning_rate: float = option(
        Group.SELF_LABELLING,
        1e-4,
        "Learning rate of self-labelling, which stays constant. 1e-4 is the "
        "authors' value.",
        unit="rate",
        above=0.0,
        most=bounds.FACTOR,
        later=True,
    )
    label_view: str = option(
        Group.SELF_LABELLING,
        "clean",
        "Views whose predictions become labels: clean takes whole images, as "
        "in the authors' code; weak, as the paper says, takes the views that "
        "the encoder was trained on.",
        choices=LABEL_VIEWS,
        later=True,
    )
    threshold: float = option(
        Group.SELF_LABELLING,
        0.99,
        "Probability above which a prediction counts as confident and becomes "
        "a label. 0.99 is the paper's.",
        unit="probability",
        least=0.0,
        most=1.0,
        later=True,
    )
    balance: bool = option(
        Group.SELF_LABELLING,
        True,
        "Weight the self-labelling loss by inverse cluster frequency, as the "
        "authors do, so that large clusters do not swallow small ones.",
        later=True,
    )
    ema: float = option(
        Group.SELF_LABELLING,
        0.0,
        "Decay of a moving average of the weights in self-labelling. If it is "
        "not 0, the average is what is evaluated and kept. 0 keeps the "
        "weights themselves. The authors' code instead continues from the "
        "average after each step, which amounts to a learning rate of 1 - ema "
        "times the given one.",
        unit="decay",
        least=0.0,
        most=0.99999,
        later=True,
    )
    patience: int = option(
        Group.SELF_LABELLING,
        20,
        "Number of epochs after which self-labelling ends if the share of "
        "confident images has not grown by 0.001. 0 never ends it early, as "
        "in the authors' code.",
        unit="epochs",
        least=0,
        most=bounds.EPOCHS,
        later=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clusters == 1:
            raise InputError("Expected --clusters of 2 or more. Received: 1.")
        if self.embeds_once and self.self_labelling_epochs > 0:
            raise InputError(
                "Expected --self_labelling_epochs=0 with --freeze and "
                "--augmentation=none, which compute the features once: "
                "self-labelling trains the encoder on strong views of images. "
                f"Received: {self.self_labelling_epochs}. Leave the flag out, "
                "or give another --augmentation."
            )

    @property
    def embeds_once(self) -> bool:
        """True if the heads learn from features that never change."""
        return self.freeze and self.augmentation == "none"

    @property
    def resolved(self) -> ClusterConfig:
        """The config with the defaults that depend on other flags filled in."""
        defaults = ON_FEATURES if self.embeds_once else ON_IMAGES
        labelling = self.self_labelling_epochs
        return dataclasses.replace(
            self,
            heads=self.heads or defaults.heads,
            epochs=self.epochs or defaults.epochs,
            batch_size=self.batch_size or defaults.batch_size,
            learning_rate=self.learning_rate or defaults.learning_rate,
            self_labelling_epochs=defaults.self_labelling_epochs
            if labelling < 0
            else labelling,
        )

    def differences(self, other: RunConfig) -> list[str]:
        """Returns the names of the fields that make it another clustering.

        Fields of self-labelling are left out, as self-labelling can be added
        to a clustering later.
        """
        assert isinstance(other, ClusterConfig)
        later = self.later_fields()
        found = RunConfig.differences(self.resolved, other.resolved)
        return [name for name in found if name not in later]

    @classmethod
    def later_fields(cls) -> list[str]:
        """Returns the names of fields that only affect self-labelling."""
        fields = dataclasses.fields(cls)
        return [field.name for field in fields if field.metadata.get("later")]

    @property
    def output_directory(self) -> pathlib.Path:
        """The directory that the clustering writes to."""
        return storage.place(self.output_dir or f"{self.run_dir}/scan")

    @property
    def uses_labels(self) -> bool:
        """True if the training uses labels."""
        return self.mining == "oracle"

    @property
    def title(self) -> str:
        """A title for people, with the run that is clustered."""
        return f"{self.loss.upper()} on {self.run_dir}"
