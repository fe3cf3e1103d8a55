"""Defines the config of a training run, which mains make from their flags."""

from __future__ import annotations

import dataclasses
import os
import pathlib

from and_tf.training import view_flags
from and_tf.utils import bounds, encoder_names
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import Group, RunConfig, option

PAPER_RATE = 0.03
# With the paper's, three epochs made a trained encoder worse than it was.
PRETRAINED_RATE = 5e-4
# The gradient of a cosine lacks the factor 1 / τ that a softmax with the
# authors' temperature of 0.1 has.
COSINE_FACTOR = 10


@dataclasses.dataclass(frozen=True)
class LoopConfig(RunConfig):
    """The flags that every training loop shares, whatever it trains."""

    strategy: str = option(
        Group.DEVICES,
        "auto",
        "How training is spread over devices: default uses one device, "
        "mirrored all GPUs of this machine, multi_worker the processes that "
        "TF_CONFIG names. auto takes multi_worker if TF_CONFIG names several "
        "processes, else mirrored if there are two or more GPUs, else default.",
        choices=("auto", "default", "mirrored", "multi_worker"),
        free=True,
    )
    communication: str = option(
        Group.DEVICES,
        "auto",
        "How devices exchange gradients: nccl is NVIDIA's library, ring is "
        "TensorFlow's own and needs no library. auto takes nccl if all "
        "devices are GPUs, as it is faster there, else ring.",
        choices=("auto", "nccl", "ring"),
        free=True,
    )
    steps_per_execution: int = option(
        Group.DEVICES,
        0,
        "Steps that the device is given at a time. The progress bar moves and "
        "Ctrl-C is heard only between two such groups of steps. 0 means one "
        "on a CPU and, on a GPU, as many as take about a second, so that the "
        "GPU does not wait for Python.",
        unit="steps",
        least=0,
        most=bounds.STEPS,
        free=True,
    )
    checkpoint_steps: int = option(
        Group.CHECKPOINTS,
        2000,
        "Steps between two checkpoints within an epoch; one is written only "
        "after --checkpoint_seconds. 0 writes none within an epoch.",
        unit="steps",
        least=0,
        most=bounds.STEPS,
        free=True,
    )
    checkpoint_epochs: int = option(
        Group.CHECKPOINTS,
        1,
        "Epochs between two checkpoints; one is written only after "
        "--checkpoint_seconds. The end of a round, the best epoch so far, the "
        "last epoch, and Ctrl-C or SIGTERM always write one.",
        unit="epochs",
        least=1,
        most=bounds.EPOCHS,
        free=True,
    )
    checkpoint_seconds: float = option(
        Group.CHECKPOINTS,
        60.0,
        "Smallest number of seconds between two checkpoints. A run that is "
        "killed has to repeat about as much. 0 writes them as often as "
        "--checkpoint_epochs and --checkpoint_steps say.",
        unit="seconds",
        least=0.0,
        most=float(bounds.SECONDS),
        free=True,
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(LoopConfig):
    """All settings of a training run: the flags of `and_tf.train`.

    `python -m and_tf.train --help` describes each of them.

    Raises:
        InputError: If a value is out of its range, or two of them conflict.

    Examples:
        >>> import and_tf
        >>> config = and_tf.TrainConfig(dataset="digits", encoder="small")
        >>> config.run_directory.as_posix()
        'runs/digits'
        >>> config.to_flags()[:2]
        ['--strategy=auto', '--communication=auto']
    """

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
        "embeddings of a trained encoder, --teacher. All but and need "
        "--rounds=0, and ignore the flags of the memory bank and of "
        "neighbours.",
        choices=("and", "rotation", "supervised", "distillation"),
    )
    encoder: str = option(
        Group.MODEL,
        "resnet18",
        "Encoder to train. small, alexnet, resnet18, resnet50, resnet101, "
        "efficientnet_lite0, efficientnet_lite1 and efficientnet_lite2 are "
        "built here: the paper trains alexnet and the resnets, and small "
        "learns something in minutes on a CPU. applications:NAME is a network "
        "of keras.applications, hub:PRESET one of keras-hub, module:function "
        "a function that returns a Keras model. A .keras file, a SavedModel "
        "or the directory of an earlier run bring their weights too.",
        formerly="backbone",
    )
    weights: str = option(
        Group.MODEL,
        "",
        "Weights to begin with: imagenet for those that were trained with "
        "ImageNet's labels and that a package or Keras' cache brings, the path "
        "of a file, or none for random ones. If it is not given, files and "
        "runs keep their own weights, and all others begin with random ones.",
    )
    pixels: str = option(
        Group.MODEL,
        "",
        "Pixel values that the network in a .keras file, a SavedModel or a "
        "function expects: 0..255, 0..1, -1..1, imagenet (normalised by "
        "ImageNet's mean and deviation) or caffe (blue first, without "
        "ImageNet's mean). If it is not given, it is 0..255. Every export "
        "takes 0..255.",
        choices=("", "0..255", "0..1", "-1..1", "imagenet", "caffe"),
    )
    head: str = option(
        Group.MODEL,
        "",
        "What turns the encoder's pooled features into embeddings: linear, a "
        "dense layer; mlp, two with batch norm and ReLU between them; "
        "whitened, a dense layer that begins as the whitened principal "
        "components of the training images' features; none, the features "
        "themselves. If it is not given, it is whitened with trained weights "
        "and linear, as in the paper, without.",
        choices=("", "linear", "mlp", "whitened", "none"),
    )
    whitening_power: float = option(
        Group.MODEL,
        1.0,
        "Power of the whitening with --head=whitened: 1 brings all components "
        "to the same variance, 0 leaves them as they are.",
        unit="power",
        least=0.0,
        most=1.0,
    )
    train: str = option(
        Group.MODEL,
        "all",
        "Layers that learn: all; head, the layers after the pooled features; "
        "last_stage, those after the last but one resolution, and the head; or "
        "a regular expression that matches whole names of layers, and the "
        "head.",
    )
    freeze_batch_norm: bool | None = option(
        Group.MODEL,
        None,
        "Keep the statistics, scales and offsets of the encoder's batch norms "
        "as they are. If it is not given, they are kept with trained weights, "
        "which new statistics would spoil, and learnt without.",
        type=bool,
    )
    width: float = option(
        Group.MODEL,
        1.0,
        "Factor by which the encoder's channel counts are multiplied.",
        unit="factor",
        above=0.0,
        most=16.0,
    )
    image_size: int = option(
        Group.MODEL,
        0,
        "Side of the encoder's square input, in pixels. 0 means the side that "
        "the encoder was trained for if it begins with trained weights; else "
        "the images' own if they all share one of at most 96 pixels, or 224.",
        unit="pixels",
        least=0,
        most=bounds.SIDE,
    )
    view_size: int = option(
        Group.MODEL,
        0,
        "Side, in pixels, of the views that the encoder is trained on. 0 "
        "means --image_size. Random crops show things larger than whole "
        "images do, so training on smaller views is faster and evaluates "
        "better (Touvron et al., 2019). alexnet takes one size only, and so "
        "does not accept this flag.",
        unit="pixels",
        least=0,
        most=bounds.SIDE,
    )
    embedding_dim: int = option(
        Group.MODEL,
        128,
        "Number of dimensions D of an embedding. 128 is the paper's.",
        unit="dimensions",
        least=2,
        most=bounds.CHANNELS,
    )
    temperature: float = option(
        Group.METHOD,
        0.1,
        "Temperature τ of the softmax in equation 2, in training and in "
        "discovery; of the student's similarities with --pretext=distillation, "
        "whose cosine loss has none; of the softmax over classes with other "
        "--pretext. 0.1 is the authors' value.",
        above=0.0,
        most=bounds.FACTOR,
    )
    memory_momentum: float = option(
        Group.METHOD,
        0.5,
        "Weight η of the new embedding when a row of the memory bank is "
        "updated (equation 8). 0.5 is the authors' value.",
        above=0.0,
        most=1.0,
    )
    bank_initialiser: str = option(
        Group.METHOD,
        "",
        "First rows of the memory bank: unit, random points on the unit "
        "sphere; uniform, random numbers within ±sqrt(3/D), as in the "
        "authors' code; or encoder, the embeddings of the encoder as it is at "
        "the start, which saves short runs the epoch that learns from noise. "
        "If it is not given, it is encoder with trained weights and unit "
        "without.",
        choices=("", "unit", "uniform", "encoder"),
    )
    neighbourhood_size: int = option(
        Group.METHOD,
        1,
        "Number of neighbours k in a neighbourhood, beside the sample itself "
        "(equation 1). The paper found 1 to be best.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
        of_rounds=True,
    )

    rounds: int = option(
        Group.METHOD,
        4,
        "Number of rounds R of neighbourhood discovery (equation 6). 4 is the "
        "paper's trade-off between accuracy and time. 0 trains by instance "
        "learning only.",
        unit="rounds",
        least=0,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    epochs_per_round: int = option(
        Group.SCHEDULE,
        200,
        "Number of epochs in each round. 200 is the paper's.",
        unit="epochs",
        least=1,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    initial_epochs: int = option(
        Group.SCHEDULE,
        -1,
        "Number of epochs of instance learning before round 1. -1 means as "
        "many as --epochs_per_round; 0 starts round 1 from the untrained "
        "encoder.",
        unit="epochs",
        least=-1,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    selection: str = option(
        Group.METHOD,
        "curriculum",
        "Which samples become anchors of a neighbourhood: curriculum, the "
        "surest r/R of them in round r; one_off, all of them in a single "
        "discovery; clusters, all of them in every round, with random members "
        "of their own k-means cluster as neighbours (after DeepCluster); or "
        "none.",
        choices=("curriculum", "one_off", "clusters", "none"),
        of_rounds=True,
    )
    clusters: int = option(
        Group.METHOD,
        0,
        "Number of k-means clusters with --selection=clusters. 0 means one "
        "for every 128 images, as DeepCluster's 10,000 on ImageNet.",
        unit="clusters",
        least=0,
        most=bounds.CLUSTERS,
        of_rounds=True,
    )

    teacher: str = option(
        Group.TEACHER,
        "",
        "Encoder whose embeddings of the training images are learnt: anything "
        "that --encoder may be, at its full width. It needs trained weights. "
        "Of an earlier run it is the encoder without its head.",
    )
    teacher_weights: str = option(
        Group.TEACHER,
        "",
        "Weights of the teacher: imagenet, or the path of a file, as for "
        "--weights. If it is not given, files, presets and runs keep their "
        "own; all others need it.",
    )
    teacher_image_size: int = option(
        Group.TEACHER,
        0,
        "Side of the images that the teacher sees, in pixels. 0 means the side "
        "that it was trained for, or --image_size if it takes any. More pixels "
        "than the images have may help too: a network for large images sees "
        "little in small ones.",
        unit="pixels",
        least=0,
        most=bounds.SIDE,
    )
    teacher_pixels: str = option(
        Group.TEACHER,
        "",
        "Pixel values that the teacher expects, as for --pixels. If it is not "
        "given, it is 0..255.",
        choices=("", "0..255", "0..1", "-1..1", "imagenet", "caffe"),
    )
    teacher_power: float = option(
        Group.TEACHER,
        1.0,
        "Power of the whitening of the teacher's features, of which "
        "--embedding_dim principal components are learnt: 1 brings all of them "
        "to the same variance, 0 leaves them as they are. 1 is the default, as "
        "the cosines of features that are not whitened say little.",
        unit="power",
        least=0.0,
        most=1.0,
    )
    teacher_neighbours: int = option(
        Group.TEACHER,
        0,
        "Number of an image's nearest neighbours whose teacher's embeddings "
        "are averaged with its own. 0, the default, learns each image's own.",
        unit="neighbours",
        least=0,
        most=bounds.NEIGHBOURS,
    )
    distillation_loss: str = option(
        Group.TEACHER,
        "cosine",
        "What draws the student to the teacher: cosine, the cosine with the "
        "teacher's embedding of the same image; similarity, the similarities "
        "to a sample of the teacher's embeddings (SEED); or instance, the "
        "image's own embedding among those of all images, as equation 2. "
        "cosine is the cheapest, and has no temperature to choose.",
        choices=("cosine", "similarity", "instance"),
    )
    distillation_keys: int = option(
        Group.TEACHER,
        4096,
        "Number of images in the sample of --distillation_loss=similarity, "
        "drawn anew in each step; all images if there are fewer. More than "
        "4096 take longer and say little more.",
        unit="images",
        least=1,
        most=bounds.INT32,
    )
    teacher_temperature: float = option(
        Group.TEACHER,
        0.05,
        "Temperature of the teacher's similarities with "
        "--distillation_loss=similarity. It is below --temperature, so that "
        "the student learns what is most similar.",
        above=0.0,
        most=bounds.FACTOR,
    )

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
    crop_area: float = view_flags.crop_area(0.2)
    colour_jitter: float = view_flags.colour_jitter(0.4)
    greyscale: float = option(
        Group.VIEWS,
        0.2,
        "Probability that a view is turned to grey.",
        unit="probability",
        least=0.0,
        most=1.0,
    )
    flip: float = view_flags.flip("It is 0 because the paper does not mirror.")
    augment_on_device: bool | None = option(
        Group.DEVICES,
        None,
        "Augment images on the device, inside the training step, instead of "
        "beside it on the CPU. If it is not given, images are augmented on "
        "the device where that is a GPU.",
        type=bool,
        free=True,
    )
    device_data_fraction: float = option(
        Group.DEVICES,
        0.3,
        "Largest share of a GPU's memory that the training images may take. "
        "If they fit in it, are held in memory and are augmented on the "
        "device, they are kept on the GPU, so that no step has to send any. 0 "
        "never keeps them there.",
        unit="share",
        least=0.0,
        most=0.9,
        free=True,
    )

    precision: str = option(
        Group.DEVICES,
        "float32",
        "Keras' precision policy; the mixed ones compute the network in half "
        "precision, for GPUs that are faster at it. Norms and the loss are "
        "always computed in float32.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    sync_batch_norm: bool = option(
        Group.DEVICES,
        False,
        "Compute batch normalisation over the images of all devices, which "
        "gives the results of one device with the whole batch. Without this "
        "flag each device uses its own images, which is faster.",
    )
    shard_bank: bool = option(
        Group.DEVICES,
        False,
        "Spread the rows of the memory bank over the devices, for banks that "
        "are too large for one. The results are the same.",
        free=True,
    )
    loss_block_rows: int = option(
        Group.DEVICES,
        0,
        "Number of rows of the memory bank that the loss takes at a time; "
        "fewer need less memory. 0 chooses by the device.",
        unit="rows",
        least=0,
        most=bounds.INT32,
        free=True,
    )
    seed: int = option(
        Group.SCHEDULE,
        0,
        "Random seed for weights, data order, views and subsets.",
        unit="seed",
        least=0,
        most=bounds.SEED,
    )

    keep_rounds: bool = option(
        Group.CHECKPOINTS,
        True,
        "Keep the checkpoint at the end of instance learning and of each "
        "round, for --checkpoint=round_<r> and for comparing rounds. Each is "
        "as large as any checkpoint. A run that is resumed with "
        "--nokeep_rounds deletes those that it has.",
        free=True,
    )
    evaluate_every: int = option(
        Group.EVALUATION,
        -1,
        "Number of epochs between two kNN evaluations in the memory bank, or "
        "in the clean gallery where the pretext has no bank. 0 evaluates at "
        "the end of each round only, where the clean gallery is evaluated "
        "too. -1 evaluates as often as takes about 5 % of the time, estimated "
        "from the numbers of images and the kind of device.",
        unit="epochs",
        least=-1,
        most=bounds.EPOCHS,
        free=True,
    )
    baselines: bool = option(
        Group.EVALUATION,
        True,
        "Evaluate raw pixels and the untrained encoder before the first step. "
        "It takes one pass over the images, which is long for a large encoder "
        "on a CPU.",
        free=True,
    )
    knn_neighbours: int = option(
        Group.EVALUATION,
        200,
        "Number of neighbours K that vote in a kNN evaluation. 200 is the "
        "paper's.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    knn_temperature: float = option(
        Group.EVALUATION,
        0.1,
        "Temperature τ of the votes' weights in a kNN evaluation: a smaller "
        "one gives the nearest neighbours more weight.",
        above=0.0,
        most=bounds.FACTOR,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._read_encoder()
        self._read_teacher()
        if self.dataset == "folder" and not self.data_dir:
            raise InputError(
                "Expected --data_dir, a directory of images, with "
                "--dataset=folder. Received none."
            )
        if self.view_size and self.encoder == "alexnet":
            raise InputError(
                "Expected no --view_size with --encoder=alexnet, whose dense "
                "layers take one size of images only. Received: "
                f"{self.view_size}."
            )
        if self.clusters and self.selection != "clusters":
            raise InputError(
                "Expected --clusters only with --selection=clusters. "
                f"Received: --clusters={self.clusters} with "
                f"--selection={self.selection}."
            )
        epochs = self.first_round_epochs + self.rounds * self.epochs_per_round
        if not epochs and not self.pretrained:
            raise InputError(
                "Expected at least one epoch of training: --initial_epochs or "
                "--rounds above 0. Received 0 of both, which only evaluates "
                "an encoder with trained weights: give --weights, or an "
                "--encoder that brings its own."
            )
        if epochs > bounds.EPOCHS:
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

    def _read_encoder(self, flag: str = "encoder") -> None:
        """Checks the name of an encoder, and marks a path as one.

        A directory is known by being there, and may no longer be there when
        the flags are read again.
        """
        given = getattr(self, flag)
        name = encoder_names.parse(given)
        if name.kind == "path" and os.sep not in given:
            object.__setattr__(self, flag, f".{os.sep}{given}")
        known = name.kind not in ("path", "function")
        of = "pixels" if flag == "encoder" else f"{flag}_pixels"
        pixels = getattr(self, of)
        if known and pixels not in ("", "0..255"):
            raise InputError(
                f"Expected no --{of} with --{flag}={given}, which normalises "
                f"pixel values as it needs them. Received: {pixels}."
            )
        if flag == "encoder" and name.kind != "own" and self.width != 1:
            raise InputError(
                f"Expected no --width with --encoder={given}, whose layers are "
                f"as wide as they are. Received: {self.width:g}."
            )

    def _read_teacher(self) -> None:
        """Checks the flags of the teacher, which only distillation has."""
        if self.pretext != "distillation":
            for field in dataclasses.fields(self):
                value = getattr(self, field.name)
                of_teacher = field.metadata["group"] is Group.TEACHER
                if of_teacher and value != field.default:
                    raise InputError(
                        f"Expected --{field.name} only with "
                        f"--pretext=distillation. Received: {value} with "
                        f"--pretext={self.pretext}."
                    )
            return
        if not self.teacher:
            raise InputError(
                "Expected --teacher, a trained encoder, with "
                "--pretext=distillation. Received none."
            )
        self._read_encoder("teacher")
        if not has_weights(self.teacher, self.teacher_weights):
            raise InputError(
                f"Expected --teacher_weights with --teacher={self.teacher}, as "
                "a network of random weights has nothing to teach. Received: "
                f"{self.teacher_weights or 'none'}. Give imagenet, or the path "
                "of a file."
            )

    @property
    def pretrained(self) -> bool:
        """Returns whether the encoder begins with trained weights."""
        return has_weights(self.encoder, self.weights)

    @property
    def resolved(self) -> TrainConfig:
        """The config with the defaults that depend on other flags filled in."""
        begins = self.pretrained
        usual = PRETRAINED_RATE if begins else PAPER_RATE
        if self.pretext == "distillation" and (
            self.distillation_loss == "cosine"
        ):
            usual *= COSINE_FACTOR
        rate = self.learning_rate or usual
        frozen = self.freeze_batch_norm
        return dataclasses.replace(
            self,
            head=self.head or ("whitened" if begins else "linear"),
            pixels=self.pixels or "0..255",
            teacher_pixels=self.teacher_pixels
            or ("0..255" if self.teacher else ""),
            freeze_batch_norm=begins if frozen is None else frozen,
            bank_initialiser=self.bank_initialiser
            or ("encoder" if begins else "unit"),
            learning_rate=rate,
            trunk_learning_rate=self.trunk_learning_rate or rate,
        )

    def differences(self, other: RunConfig) -> list[str]:
        """Returns the names of fields in which two configs' runs differ."""
        assert isinstance(other, TrainConfig)
        return RunConfig.differences(self.resolved, other.resolved)

    @property
    def run_directory(self) -> pathlib.Path:
        """The directory that the run writes to."""
        return pathlib.Path(self.run_dir or f"runs/{self.dataset}")

    @property
    def has_bank(self) -> bool:
        """Returns whether the model has a memory bank, which rounds need."""
        return self.pretext == "and"

    @property
    def first_round_epochs(self) -> int:
        """The number of epochs of instance learning, with -1 resolved."""
        if self.initial_epochs < 0:
            return self.epochs_per_round
        return self.initial_epochs

    def instance_differences(self, other: TrainConfig) -> list[str]:
        """Returns the names of fields in which instance learning differs."""
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
        """A short description: the encoder, the data set and the pretext."""
        by = {
            "supervised": ", by its labels",
            "rotation": ", by rotations",
            "distillation": f", taught by {self.teacher}",
        }
        return f"{self.encoder} on {self.dataset}{by.get(self.pretext, '')}"


def has_weights(encoder: str, weights: str) -> bool:
    """Returns whether an encoder has trained weights.

    Args:
        encoder: The name of the encoder, see `encoder_names.parse`.
        weights: The weights that were given; "" for none.
    """
    if weights:
        return weights != "none"
    kind = encoder_names.parse(encoder).kind
    return kind not in ("own", "applications")
