"""Defines the heads of signatures: embedding, neighbours, class, cluster.

Each head is a `tf.Module`. It is called with unit-norm embeddings, float32
[B, D], or with the probabilities of a classifier, float32 [B, C], and returns
named tensors whose first axis is B.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from and_tf.utils.errors import InputError

Outputs = dict[str, tf.Tensor]


class Embedding(tf.Module):
    """A head that returns the embedding itself."""

    def __call__(self, embeddings: tf.Tensor) -> Outputs:
        """Returns "embedding", float32 [B, D]."""
        return {"embedding": embeddings}


class Neighbours(tf.Module):
    """A head that finds the k most similar rows of a gallery.

    It holds all similarities of a batch at once, B · N · 4 bytes.

    Args:
        rows: float32 [N, D], unit norm, the gallery; shared, not copied.
        k: The number of rows to find.
        names: The names of the rows; None if they have no names.
    """

    def __init__(
        self, rows: tf.Variable, k: int, names: NameTable | None = None
    ) -> None:
        super().__init__()
        self._rows = rows
        self._k = k
        self._names = names

    def __call__(self, embeddings: tf.Tensor) -> Outputs:
        """Returns "index", int64 [B, k], and "similarity", float32 [B, k].

        The most similar row comes first. If the rows have names, there is
        "file_name", string [B, k], too.
        """
        similarity = tf.matmul(embeddings, self._rows, transpose_b=True)
        best = tf.math.top_k(similarity, self._k)
        index = tf.cast(best.indices, tf.int64)
        outputs = {"index": index, "similarity": best.values}
        if self._names is not None:
            outputs["file_name"] = self._names(index)
        return outputs


class Classes(tf.Module):
    """A head that classifies by weighted kNN, as in evaluation.

    Each of the K nearest rows votes for its class with exp(cos / τ).

    Args:
        rows: float32 [N, D], unit norm, the gallery; shared, not copied.
        labels: int64 [N]; rows with -1 do not vote.
        names: The names of the C classes.
        neighbours: The number of neighbours K that vote. If fewer rows have
            labels, all of those vote.
        temperature: The temperature τ of the votes.
    """

    def __init__(
        self,
        rows: tf.Variable,
        labels: np.ndarray,
        names: NameTable,
        neighbours: int = 200,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self._rows = rows
        self._labels = tf.Variable(
            labels.astype(np.int64), trainable=False, name="labels"
        )
        self._names = names
        self._neighbours = min(neighbours, int((labels >= 0).sum()))
        self._temperature = temperature

    def __call__(self, embeddings: tf.Tensor) -> Outputs:
        """Returns "label", int64 [B], "class_name", string [B], and "score".

        The scores, float32 [B, C], are the classes' shares of the votes.
        """
        labels = tf.identity(self._labels)
        similarity = tf.matmul(embeddings, self._rows, transpose_b=True)
        similarity = tf.where(labels < 0, -float("inf"), similarity)
        best = tf.math.top_k(similarity, self._neighbours)

        # The largest similarity is subtracted because exp would overflow for
        # a small τ.
        logits = tf.cast(best.values - best.values[:, :1], tf.float64)
        votes = tf.exp(logits / self._temperature)  # [B, K]
        count, classes = tf.shape(votes)[0], self._names.size
        place = tf.cast(tf.gather(labels, best.indices), tf.int32)
        place += tf.range(count)[:, None] * classes
        ballots = tf.math.unsorted_segment_sum(votes, place, count * classes)
        ballots = tf.reshape(ballots, [count, classes])
        score = ballots / tf.reduce_sum(ballots, axis=1, keepdims=True)
        label = tf.argmax(ballots, axis=1)
        return {
            "label": label,
            "class_name": self._names(label),
            "score": tf.cast(score, tf.float32),
        }


class Clusters(tf.Module):
    """A head that returns the clusters' probabilities and the likeliest one.

    Args:
        names: The names of the C clusters.
    """

    def __init__(self, names: NameTable) -> None:
        super().__init__()
        self._names = names

    def __call__(self, probabilities: tf.Tensor) -> Outputs:
        """Returns "cluster", int64 [B], and its "name", string [B].

        The "probabilities", float32 [B, C], are returned unchanged.
        """
        cluster = tf.argmax(probabilities, axis=1)
        return {
            "cluster": cluster,
            "name": self._names(cluster),
            "probabilities": probabilities,
        }


class Labels(tf.Module):
    """A head that returns the classes' probabilities and the likeliest one.

    Args:
        names: The names of the C classes.
    """

    def __init__(self, names: NameTable) -> None:
        super().__init__()
        self._names = names

    def __call__(self, probabilities: tf.Tensor) -> Outputs:
        """Returns "label", int64 [B], and its "class_name", string [B].

        The "probabilities", float32 [B, C], are returned unchanged.
        """
        label = tf.argmax(probabilities, axis=1)
        return {
            "label": label,
            "class_name": self._names(label),
            "probabilities": probabilities,
        }


class NameTable(tf.Module):
    """A table of names by number, in a file that the SavedModel includes.

    Args:
        path: The file to write. The SavedModel keeps its name.
        names: The names; a name's number is its position.

    Attributes:
        size: The number of names.

    Raises:
        InputError: If a name has a line break.
    """

    def __init__(self, path: pathlib.Path, names: Sequence[str]) -> None:
        super().__init__()
        self.size = len(names)
        broken = [name for name in names if "\n" in name or "\r" in name]
        if broken:
            raise InputError(
                f"Expected names without line breaks. Received: {broken[0]!r}. "
                "Rename it."
            )
        lines = "".join(f"{name}\n" for name in names)
        # File names need not be UTF-8; Python keeps their other bytes as
        # surrogates, which this turns into bytes again.
        path.write_bytes(lines.encode(errors="surrogateescape"))
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(path),
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
            ),
            default_value="",
        )

    def __call__(self, numbers: tf.Tensor) -> tf.Tensor:
        """Returns the names of numbers, int64, as a string of their shape."""
        return self._table.lookup(numbers)
