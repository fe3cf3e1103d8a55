"""Defines the flags of a teacher."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option

# Flags of what is learnt from a teacher, which its neighbours do not need.
OF_LESSON = (
    "teacher_neighbours",
    "distillation_loss",
    "distillation_keys",
    "teacher_temperature",
)


@dataclasses.dataclass(frozen=True)
class TeacherFlags:
    """The teacher, and how its embeddings are learnt."""

    teacher: str = option(
        Group.TEACHER,
        "",
        "Encoder whose embeddings of the training images are learnt, with "
        "--pretext=distillation or --distillation_weight, or searched for "
        "neighbours, with --discover_in=teacher: anything that --encoder may "
        "be, at its full width. It needs trained weights. Of an earlier run it "
        "is the encoder without its head.",
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
    distillation_weight: float = option(
        Group.TEACHER,
        0.0,
        "Weight of the teacher's loss beside that of --pretext=and, whose "
        "weight is 1. 0 leaves it out.",
        unit="weight",
        least=0.0,
        most=bounds.FACTOR,
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
