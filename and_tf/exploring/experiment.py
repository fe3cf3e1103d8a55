"""Compares the images of an exploration, each comparison when it is asked."""

from __future__ import annotations

import functools

import numpy as np

from and_tf.encoders.whitening import fit_whitening
from and_tf.evaluation import label_errors, labelling_order, outliers
from and_tf.exploring import (
    clusters,
    duplicates,
    labelling,
    map_points,
    marked,
    places,
    quality,
)
from and_tf.exploring.clusters import Clusters, Kept
from and_tf.exploring.config import HDBSCAN, ExploreConfig
from and_tf.exploring.directory import ExploreDirectory
from and_tf.exploring.duplicates import Duplicates, Leak
from and_tf.exploring.encoder import ImageEncoder
from and_tf.exploring.labelling import Labels
from and_tf.exploring.measured import Measured
from and_tf.exploring.stages import Stages
from and_tf.pretexts.teacher_rows import unit_norm
from and_tf.search.nearest import Nearest, nearest
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

_VOTERS = 50  # Neighbours that vote on labels; more find more wrong ones.
_TEMPERATURE = 0.1  # Of cosines, as in training.
_PIECE = 4096  # Features that are whitened at a time.


class Exploration:
    """The findings about a folder's images, each computed once.

    Rows are the images of --images, sorted by path, and behind them those of
    --reference, which take part in the search for duplicates alone.

    Args:
        config: The flags.
        directory: The directory of the exploration.
        encoder: What embeds the images.
        images: What was measured of them.
        kept: The clusters of an earlier exploration; None for none.
    """

    def __init__(
        self,
        config: ExploreConfig,
        directory: ExploreDirectory,
        encoder: ImageEncoder,
        images: Measured,
        kept: Kept | None = None,
    ) -> None:
        self.config = config
        self.directory = directory
        self.encoder = encoder
        self.images = images
        self.kept = kept
        self.stages = Stages(directory.stages)
        # The number of rows that are not of the reference.
        self.count = int((~images.is_reference).sum())

    @functools.cached_property
    def files(self) -> tuple[str, ...]:
        """The paths of the images below their folder."""
        return self.images.file[: self.count]

    @functools.cached_property
    def places(self) -> list[places.Place]:
        """The split and the folder of each image."""
        return places.of_files(self.files)

    @functools.cached_property
    def whitening(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean [F] and the projection [F, D] of features; empty for none.

        They are those of the kept clusters with --assign, since centres of
        one space mean nothing in another.
        """
        if not self.encoder.whitens:
            return np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
        if self.config.assign and self.kept is not None:
            return self.kept.mean, self.kept.projection
        own = self._features[: self.count]
        dim = min(self.config.embedding_dim, own.shape[1], max(len(own) - 1, 1))
        if len(own) < 2:
            return np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
        return fit_whitening(own, dim, self.config.whitening_power)

    @property
    def _features(self) -> np.ndarray:
        return self.images.embeddings[:, : self.encoder.dim]

    @functools.cached_property
    def all_rows(self) -> np.ndarray:
        """The embeddings of all images, float32 [M, D] of unit norm."""
        mean, projection = self.whitening
        features = self._features
        if not len(mean):
            return unit_norm(features)
        rows = np.empty((len(features), projection.shape[1]), np.float32)
        for start in range(0, len(features), _PIECE):
            part = slice(start, start + _PIECE)
            rows[part] = unit_norm((features[part] - mean) @ projection)
        return rows

    @property
    def rows(self) -> np.ndarray:
        """The embeddings of the images, float32 [N, D] of unit norm."""
        return self.all_rows[: self.count]

    @property
    def probabilities(self) -> np.ndarray:
        """The probabilities of clusters or classes, float32 [N, C]."""
        return self.images.embeddings[: self.count, self.encoder.dim :]

    @functools.cached_property
    def near(self) -> Nearest:
        """The nearest images of each image, and its entropy."""
        wanted = max(self.config.neighbours, _VOTERS)
        return self._nearest("near", self.rows, wanted)

    @functools.cached_property
    def duplicates(self) -> Duplicates:
        """The duplicates among all images."""
        near = self.near
        if self.count < len(self.all_rows):
            near = self._nearest(
                "near_all", self.all_rows, self.config.neighbours
            )
        apart = marked.read_apart(self.directory.not_duplicates, self.images)
        return duplicates.find(
            self.images, near.index, apart, stages=self.stages
        )

    def _nearest(self, stage: str, rows: np.ndarray, wanted: int) -> Nearest:
        """Finds the nearest of the other rows, as many as wanted or exist."""
        count = min(wanted, len(rows) - 1)
        if not count:
            none = np.zeros((1, 0), np.float32)
            return Nearest(none, none.astype(np.int32), np.zeros(1, np.float32))

        def search() -> tuple[np.ndarray, ...]:
            with Counted("nearest images", len(rows)) as progress:
                found = nearest(
                    rows,
                    rows,
                    count,
                    temperature=_TEMPERATURE,
                    exclude_self=True,
                    progress=progress.advance,
                )
            assert found.entropy is not None  # As there is a temperature.
            return found.similarity, found.index, found.entropy

        forms = ("f", 2), ("i", 2), ("f", 1)
        inputs = rows, count, _TEMPERATURE
        return Nearest(*self.stages.get(stage, inputs, forms, search))

    @functools.cached_property
    def leaks(self) -> list[Leak]:
        """The images that are in the reference, too."""
        return duplicates.leaks(self.images, self.duplicates)

    @functools.cached_property
    def isolation(self) -> np.ndarray:
        """The mean distance to the nearest that are no duplicates, [N]."""
        group = self.duplicates.group[: self.count]
        others = (group < 0)[:, None] | (
            group[:, None] != group[self.near.index]
        )
        # The first k of the others, of those that were searched for.
        taken = others & (others.cumsum(1) <= self.config.neighbours)
        distance = np.where(taken, 1 - self.near.similarity, 0).sum(1)
        with np.errstate(invalid="ignore"):
            return (distance / taken.sum(1)).astype(np.float32)

    @functools.cached_property
    def outlier_scores(self) -> np.ndarray:
        """The higher of the scores by distance and by entropy, [N]."""
        entropy = self.near.entropy
        assert entropy is not None  # As there is a temperature.
        return np.fmax(
            outliers.scores(self.isolation),
            outliers.scores(outliers.isolation_by_entropy(entropy)),
        )

    @functools.cached_property
    def is_outlier(self) -> np.ndarray:
        """The mask of images that are far from all others, bool [N]."""
        return outliers.is_outlier(self.outlier_scores)

    @functools.cached_property
    def issues(self) -> list[list[str]]:
        """The faults in the quality of each image."""
        own = self.images
        if self.count < len(own):
            own = own.take(range(self.count))
        return quality.issues(own)

    @functools.cached_property
    def proposed(self) -> tuple[int, dict[int, float]]:
        """A number of clusters, and the silhouettes of those tried."""
        counts, scores = self.stages.get(
            "proposed",
            (self.rows, self.config.seed),
            (("i", 1), ("f", 1)),
            lambda: clusters.silhouettes(self.rows, self.config.seed),
        )
        tried = dict(zip(counts.tolist(), scores.tolist(), strict=True))
        return clusters.propose(tried), tried

    @functools.cached_property
    def clusters(self) -> Clusters:
        """The clusters, with the numbers and names that they had before."""
        found = clusters.as_before(self._clustered(), self.files, self.kept)
        if self.config.names:
            found = clusters.name(found, clusters.read_names(self.config.names))
        return clusters.names_from_labels(found, self.labels.texts)

    def _clustered(self) -> Clusters:
        config, rows = self.config, self.rows
        if self.encoder.cluster_names:
            names = self.encoder.cluster_names
            return clusters.of_probabilities(rows, self.probabilities, names)
        if config.assign and self.kept is not None:
            names = self.kept.names.tolist()
            return clusters.assign(rows, self.kept.centres, names)
        if config.cluster_by == HDBSCAN:
            return clusters.by_hdbscan(rows)
        count = config.clusters or self.proposed[0]
        if count > self.count:
            raise InputError(
                f"Expected --clusters of at most {self.count:,}, the number "
                f"of images. Received: {count}."
            )
        return clusters.by_kmeans(rows, count, config.seed)

    @functools.cached_property
    def labels(self) -> Labels:
        """The labels of the images."""
        folders = [place.folder for place in self.places]
        unread = [name for name, _ in self.images.skipped]
        return labelling.read(self.config.labels, self.files, folders, unread)

    @functools.cached_property
    def predicted(self) -> tuple[tuple[str, ...], np.ndarray] | None:
        """The names of classes and their probabilities for each image."""
        if self.encoder.class_names:
            return self.encoder.class_names, self.probabilities
        found = labelling.classify(
            self.rows, self.labels, self.config.classify_by, self.config.seed
        )
        return None if found is None else (self.labels.names, found)

    @functools.cached_property
    def label_errors(self) -> label_errors.LabelErrors | None:
        """The judgement of neighbours on the labels; None without labels."""
        if not self.labels.names:
            return None
        return label_errors.assess(
            self.near.index,
            self.near.similarity,
            self.labels.numbers,
            len(self.labels.names),
            _TEMPERATURE,
            groups=self.duplicates.group[: self.count],
        )

    @functools.cached_property
    def selected(self) -> np.ndarray:
        """The rows to label next, the most useful first."""
        known = self.labels.known
        count = self.config.select
        found = self.predicted
        # Copies lie in the densest places, and one of them is enough.
        rows = np.flatnonzero(self.duplicates.keep[: self.count])
        chosen = labelling_order.select(
            self.rows[rows],
            known[rows],
            min(count, int((~known[rows]).sum())),
            None if found is None else found[1][rows],
            isolation=self.isolation[rows],
            seed=self.config.seed,
        )
        return rows[chosen]

    @functools.cached_property
    def map(self) -> np.ndarray:
        """The coordinates of the images in a map, float32 [N, 2]."""
        near, seed = self.near, self.config.seed
        (found,) = self.stages.get(
            "map",
            (self.rows, near.index, seed, map_points.has_umap()),
            (("f", 2),),
            lambda: [
                map_points.points(self.rows, near.index, near.similarity, seed)
            ],
        )
        return found


def kept_clusters(
    config: ExploreConfig, directory: ExploreDirectory, encoder: ImageEncoder
) -> Kept | None:
    """Reads the clusters of an earlier exploration with the same encoder.

    Raises:
        InputError: If the file is damaged, or --assign needs what is not there.
    """
    found = clusters.read(directory.clusters)
    same = found is not None and str(found.mark) == encoder.mark
    if config.assign and not same:
        raise InputError(
            "Expected the clusters of an exploration with the same encoder in "
            f"{directory.path}, for --assign. Received "
            f"{'those of another encoder' if found else 'none'}. Leave "
            "--assign out to find clusters."
        )
    return found if same else None
