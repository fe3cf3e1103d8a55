"""Defines the flags of the encoder."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class EncoderFlags:
    """The encoder, the weights that it begins with, and its images."""

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
        "Power of the whitening with --head=whitened or --rewhiten: 1 brings "
        "all components to the same variance, 0 leaves them as they are.",
        unit="power",
        least=0.0,
        most=1.0,
    )
    rewhiten: bool | None = option(
        Group.MODEL,
        None,
        "Whiten a linear or whitened head after the last epoch: replace it by "
        "the whitened principal components of the features that the layers "
        "before it have then, which raises kNN; for the nearest few of an "
        "image, --whitening_power=0.5 is better. If it is not given, it is "
        "done with "
        "--head=whitened and --pretext=and without a teacher, unless the head "
        "alone learns.",
        type=bool,
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
    features: int = option(
        Group.MODEL,
        0,
        "Number of pooled features F of small or of a resnet: a 1×1 "
        "convolution behind the last stage brings them to it. 0 adds none, and "
        "F is what the last stage has: 96 times the width of small, 512 of "
        "resnet18. More features than the embedding has numbers are what "
        "--rewhiten gains most from.",
        unit="features",
        least=0,
        most=65536,
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
