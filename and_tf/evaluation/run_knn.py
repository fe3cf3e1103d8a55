"""Computes the kNN figures of a run, by gallery, and of raw pixels."""

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
    """A weighted kNN classifier on a data set, with two galleries.

    The *bank* gallery is the memory bank of the training: embeddings of
    augmented views, averaged over epochs, which the authors report. The
    *clean* gallery is the clean embeddings of the training images. Queries
    are the clean embeddings of the test split. Without a test split, each
    training image is compared with all others.

    Args:
        data: The data set.
        image_size: The side of the encoder's input in pixels.
        neighbours: The number of neighbours K that vote.
        temperature: The temperature τ of the votes.
        processes: The processes that share the search, see `nearest`. None
            searches on one device.
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
        self._neighbours, self._temperature = neighbours, temperature

    @property
    def possible(self) -> bool:
        """True if both the gallery and the queries have labels."""
        queries = self._data.test or self._data.train
        return self._data.train.has_labels and queries.has_labels

    def wait(self) -> None:
        """Waits until the test images are decoded, if they go into memory.

        Raises:
            InputError: If they cannot be read.
        """
        if self._data.test is not None:
            self._data.test.wait()

    @property
    def protocol(self) -> dict | None:
        """The settings behind the figures; None if kNN is not possible."""
        if not self.possible:
            return None
        return {
            "classifier": "weighted kNN",
            "K": most_neighbours(
                self._neighbours,
                self._data.train.labels,
                leave_one_out=self._data.test is None,
            ),
            "temperature": self._temperature,
            "queries": self._data.test.name
            if self._data.test
            else f"{self._data.train.name}, leave one out",
            "gallery_last": "clean embeddings of the training images",
            "gallery_best": "memory bank, best epoch on the queries",
        }

    def queries(self, model: keras.Model) -> np.ndarray | None:
        """Embeds the test images, float32 [Q, D]; None if there are none."""
        test = self._data.test
        return None if test is None else embed(model, test, self._size)

    def bank(
        self, model: Pretext, queries: np.ndarray | None = None
    ) -> Knn | None:
        """Classifies test images by the bank; None if either is missing.

        Args:
            model: The model in training.
            queries: `queries(model)`, if it is computed already.
        """
        if model.bank is None:
            return None
        if queries is None:
            queries = self.queries(model)
        if queries is None:
            return None
        return self.classify(queries, np.asarray(model.bank.rows))

    def clean(
        self, model: keras.Model, queries: np.ndarray | None = None
    ) -> Knn:
        """Classifies by the clean embeddings of the training images.

        Args:
            model: The model in training.
            queries: `queries(model)`, if it is computed already.
        """
        gallery = embed(model, self._data.train, self._size)
        if queries is None:
            queries = self.queries(model)
        return self.classify(gallery if queries is None else queries, gallery)

    def raw_pixels(self) -> Knn:
        """Classifies by raw pixels of images shrunk to at most 16×16."""
        side = min(PIXEL_SIDE, self._size)
        gallery = pixels(self._data.train, side)
        if self._data.test is None:
            return self.classify(gallery, gallery)
        return self.classify(pixels(self._data.test, side), gallery)

    def classify(self, queries: np.ndarray, gallery: np.ndarray) -> Knn:
        """Classifies embeddings that are already computed.

        Args:
            queries: float32 [Q, D], the embeddings of the test split or,
                without one, of the training images.
            gallery: float32 [N, D], the embeddings of the training images.
        """
        test = self._data.test
        return weighted_knn(
            queries,
            (test or self._data.train).labels,
            gallery,
            self._data.train.labels,
            leave_one_out=test is None,
            processes=self._processes,
            neighbours=self._neighbours,
            temperature=self._temperature,
        )
