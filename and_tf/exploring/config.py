"""Defines the config of an exploration, the flags of `and_tf.explore`."""

from __future__ import annotations

import dataclasses
import pathlib

from and_tf.utils import bounds, checkpoint_names
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import FlagConfig, Group, option

FOLDERS = "folders"
KMEANS, HDBSCAN = "kmeans", "hdbscan"
KNN, LINEAR = "knn", "linear"
FIFTYONE, LABEL_STUDIO = "fiftyone", "label_studio"
TENSORBOARD, LINKS = "tensorboard", "links"
THUMBNAILS = "thumbnails"
FORMATS = (FIFTYONE, LABEL_STUDIO, TENSORBOARD, THUMBNAILS, LINKS)
DEFAULT_ENCODER = "efficientnet_lite0"


@dataclasses.dataclass(frozen=True)
class ExploreConfig(FlagConfig):
    """The config of an exploration."""

    images: str = option(
        Group.DATA,
        "",
        "Folder of the images to look through, at any depth.",
        required="a folder of images",
        path=True,
    )
    reference: str = option(
        Group.DATA,
        "",
        "Folder of other images, to find those of --images that are there "
        "too. They are embedded like the others and take part in nothing else.",
        path=True,
    )
    output: str = option(
        Group.OUTPUT,
        "",
        "Directory to write to. If it holds an exploration of the same folder, "
        "only images that are new or have changed are embedded.",
        required="a directory",
        path=True,
    )
    formats: str = option(
        Group.OUTPUT,
        "",
        "What to write for other tools beside the tables, with commas between: "
        "fiftyone; label_studio; tensorboard, for its projector; thumbnails, "
        "the table with a small picture in each row, for Embedding Atlas; and "
        "links, folders of links to the images by cluster and by group of "
        "duplicates. No image is copied.",
    )
    run_dir: str = option(
        Group.MODEL,
        "",
        "Directory of a run, a clustering or a fine-tuning whose encoder "
        "embeds the images. A clustering brings its clusters too.",
        path=True,
    )
    checkpoint: str = option(
        Group.MODEL,
        checkpoint_names.LAST,
        "Checkpoint of the run: last, best or round_<r>.",
    )
    encoder: str = option(
        Group.MODEL,
        "",
        "Encoder that embeds the images in place of a run's: anything that "
        "--encoder of and_tf.train may be. Without --run_dir it is "
        f"{DEFAULT_ENCODER} with the weights that its package brings.",
    )
    weights: str = option(
        Group.MODEL,
        "",
        "Weights of --encoder: imagenet, or the path of a file. If it is not "
        "given, files, presets and runs keep their own.",
    )
    pixels: str = option(
        Group.MODEL,
        "",
        "Pixel values that --encoder expects, if it is a file or a function: "
        "0..255, 0..1, -1..1, imagenet or caffe. If it is not given, it is "
        "0..255.",
        choices=("", "0..255", "0..1", "-1..1", "imagenet", "caffe"),
    )
    image_size: int = option(
        Group.MODEL,
        0,
        "Side of the images that --encoder sees, in pixels. 0 means the side "
        "that it was trained for. Fewer are faster.",
        unit="pixels",
        least=0,
        most=bounds.SIDE,
    )
    embedding_dim: int = option(
        Group.MODEL,
        256,
        "Number of whitened principal components of --encoder's features that "
        "images are compared by; fewer if there are fewer images or features.",
        unit="dimensions",
        least=1,
        most=bounds.CHANNELS,
    )
    whitening_power: float = option(
        Group.MODEL,
        0.5,
        "Power of the whitening: 1 brings all components to the same "
        "variance, 0 leaves them as they are.",
        unit="power",
        least=0.0,
        most=1.0,
    )
    batch_size: int = option(
        Group.MODEL,
        64,
        "Number of images that are embedded at a time.",
        unit="images",
        least=1,
        most=bounds.BATCH,
    )
    neighbours: int = option(
        Group.EVALUATION,
        10,
        "Number of nearest images that are listed for each image.",
        unit="images",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    cluster_by: str = option(
        Group.CLUSTERS,
        KMEANS,
        "Method that finds clusters where the run brings none: kmeans, which "
        "puts each image into one, or hdbscan, which finds their number and "
        "leaves images out that are in no dense region.",
        choices=(KMEANS, HDBSCAN),
    )
    clusters: int = option(
        Group.CLUSTERS,
        0,
        "Number of clusters of kmeans. 0 proposes one: that with the highest "
        "silhouette of those that are tried.",
        unit="clusters",
        least=0,
        most=bounds.CLUSTERS,
    )
    names: str = option(
        Group.CLUSTERS,
        "",
        "CSV file with the columns cluster and name. Names are kept when the "
        "images are looked through again, also with more of them.",
        path=True,
    )
    assign: bool = option(
        Group.CLUSTERS,
        False,
        "Put new images into the clusters that --output has from before, "
        "without finding new clusters.",
    )
    labels: str = option(
        Group.LABELS,
        "",
        "Labels of the images: folders, where each class has a folder; or a "
        "CSV file with the columns file and label, which may name some of the "
        "images only. If empty, images have no labels.",
        path=True,
    )
    classify_by: str = option(
        Group.LABELS,
        KNN,
        "Method that gives images without a label a class, if some have one: "
        "knn, the votes of the nearest; or linear, a linear classifier.",
        choices=(KNN, LINEAR),
    )
    select: int = option(
        Group.LABELS,
        0,
        "Number of images to propose for labelling next, the most useful "
        "first: typical ones of regions without a label, then uncertain ones.",
        unit="images",
        least=0,
        most=bounds.IMAGES,
    )
    serve: bool = option(
        Group.SERVER,
        False,
        "Show the page by a server of this machine after all is written, "
        "until Ctrl-C. The page opens without it too.",
    )
    port: int = option(
        Group.SERVER,
        8000,
        "Port of the server. 0 takes a free one.",
        unit="port",
        least=0,
        most=bounds.PORT,
    )
    seed: int = option(
        Group.CLUSTERS,
        0,
        "Random seed for clusters, samples and the map.",
        unit="seed",
        least=0,
        most=bounds.SEED,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.export_formats  # Raises an error for unknown ones.
        checkpoint_names.round_of(self.checkpoint)  # Refuses bad names.
        if self.run_dir and self.encoder:
            raise InputError(
                "Expected --run_dir or --encoder. Received both: "
                f"{self.run_dir} and {self.encoder}. Leave one out."
            )
        self._check_unused()

    def _check_unused(self) -> None:
        """Refuses flags that the others leave without any effect."""
        if self.run_dir:
            for name in ("weights", "pixels", "image_size"):
                if value := getattr(self, name):
                    raise InputError(
                        f"Expected --{name} with --encoder alone, as a run has "
                        f"its own. Received: --{name}={value} with --run_dir."
                    )
        elif self.checkpoint != checkpoint_names.LAST:
            raise InputError(
                "Expected --checkpoint with --run_dir alone. Received: "
                f"--checkpoint={self.checkpoint} without."
            )
        if self.clusters and self.cluster_by == HDBSCAN:
            raise InputError(
                "Expected --clusters with --cluster_by=kmeans alone, as "
                "hdbscan finds their number. Received: "
                f"--clusters={self.clusters}."
            )

    @property
    def export_formats(self) -> tuple[str, ...]:
        """The names in `formats`, in order, without duplicates."""
        names = [name.strip() for name in self.formats.split(",")]
        names = [name for name in names if name]
        unknown = [name for name in names if name not in FORMATS]
        if unknown:
            raise InputError(
                f"Expected --formats to be some of {', '.join(FORMATS)}, with "
                f"commas between. Received: {unknown[0]!r}."
            )
        return tuple(dict.fromkeys(names))

    @property
    def output_directory(self) -> pathlib.Path:
        """The directory to write to."""
        return pathlib.Path(self.output)
