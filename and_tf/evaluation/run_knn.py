"""The kNN figures of a run: which gallery, which queries, which baselines."""

from __future__ import annotations

import keras
import numpy as np

from and_tf.data.split import ImageData
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.embeddings import embed, pixels
from and_tf.evaluation.knn import Knn, most_neighbours, weighted_knn
from and_tf.method.encoder_model import Pretext

PIXEL_SIDE = 16


class RunKnn:
    """Weighted kNN on a data set, in the two galleries that figures name.

    The *bank* gallery is the training memory bank, augmented and averaged
    over epochs: what the authors report. The *clean* gallery is the training
    images' own embeddings, computed again. Queries are the clean embeddings
    of the test split; without one, of each training image against all others.

    Args:
        data: The data set.
        image_size: Side of the encoder's input.
        neighbours: K.
        temperature: τ.
        processes: Who shares out the search, see `nearest`.
    """

    def __init__(
        self,
        data: ImageData,
        image_size: int,
        neighbours: int = 200,
        temperature: float = 0.1,
        processes: ProcessGroup | None = None,
    ) -> None:
        self._data = data
        self._processes = processes
        self._size = image_size
        self._options = {"neighbours": neighbours, "temperature": temperature}

    @property
    def possible(self) -> bool:
        """Whether both sides have labels."""
        queries = self._data.test or self._data.train
        return self._data.train.has_labels and queries.has_labels

    def wait(self) -> None:
        """Has test images decoded, if they are to be held and are not yet.

        Raises:
            InputError: They cannot be read.
        """
        if self._data.test is not None:
            self._data.test.wait()

    @property
    def protocol(self) -> dict | None:
        """What a figure has to be read with; None where there can be none."""
        if not self.possible:
            return None
        return {
            "classifier": "weighted kNN",
            "K": most_neighbours(
                self._options["neighbours"],
                self._data.train.labels,
                leave_one_out=self._data.test is None,
            ),
            "temperature": self._options["temperature"],
            "queries": self._data.test.name
            if self._data.test
            else f"{self._data.train.name}, leave one out",
            "gallery_last": "clean embeddings of the training images",
            "gallery_best": "memory bank, best epoch on the queries",
        }

    def bank(self, model: Pretext) -> Knn | None:
        """Test images against the bank's rows; None where either is missing."""
        if self._data.test is None or model.bank is None:
            return None
        queries = embed(model, self._data.test, self._size)
        return self.classify(queries, np.asarray(model.bank.rows))

    def clean(self, model: keras.Model) -> Knn:
        """Against the training images' own embeddings."""
        gallery = embed(model, self._data.train, self._size)
        if self._data.test is None:
            return self.classify(gallery, gallery)
        return self.classify(embed(model, self._data.test, self._size), gallery)

    def raw_pixels(self) -> Knn:
        """The images themselves, at most 16×16, as embeddings."""
        side = min(PIXEL_SIDE, self._size)
        gallery = pixels(self._data.train, side)
        if self._data.test is None:
            return self.classify(gallery, gallery)
        return self.classify(pixels(self._data.test, side), gallery)

    def classify(self, queries: np.ndarray, gallery: np.ndarray) -> Knn:
        """Of embeddings that are there already.

        Args:
            queries: float32 [Q, D] of the test split; without one, of the
                training images, as is the gallery.
            gallery: float32 [N, D] of the training images.
        """
        test = self._data.test
        return weighted_knn(
            queries,
            (test or self._data.train).labels,
            gallery,
            self._data.train.labels,
            leave_one_out=test is None,
            processes=self._processes,
            **self._options,
        )
