"""What is answered from an embedding: itself, its neighbours, its class.

Each head is a `tf.Module` called with float32 [B, D], unit norm, or with what
a clustering's classifier gives; it returns named tensors whose first axis is
B.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from and_tf.utils.errors import InputError

Outputs = dict[str, tf.Tensor]


class Embedding(tf.Module):
    """The embedding as it is."""

    def __call__(self, embeddings: tf.Tensor) -> Outputs:
        """Gives "embedding", float32 [B, D]."""
        return {"embedding": embeddings}


class Neighbours(tf.Module):
    """The k most similar rows of a gallery.

    All N similarities of a batch are held at once, B · N · 4 bytes.

    Args:
        rows: float32 [N, D], unit norm; shared, not copied.
        k: How many.
        names: What the rows are called, if they are.
    """

    def __init__(
        self, rows: tf.Variable, k: int, names: NameTable | None = None
    ) -> None:
        super().__init__()
        self._rows = rows
        self._k = k
        self._names = names

    def __call__(self, embeddings: tf.Tensor) -> Outputs:
        """Gives "index" int64 [B, k] and "similarity" float32 [B, k].

        Most similar first; with names, "file_name" string [B, k] too.
        """
        similarity = tf.matmul(embeddings, self._rows, transpose_b=True)
        best = tf.math.top_k(similarity, self._k)
        index = tf.cast(best.indices, tf.int64)
        outputs = {"index": index, "similarity": best.values}
        if self._names is not None:
            outputs["file_name"] = self._names(index)
        return outputs


class Classes(tf.Module):
    """Weighted kNN as in evaluation: the K nearest vote with exp(cos / τ).

    Args:
        rows: float32 [N, D], unit norm; shared, not copied.
        labels: int64 [N]; rows with -1 have no vote.
        names: Of the classes, C of them.
        neighbours: K; no more vote than there are labelled rows.
        temperature: τ.
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
        """Gives "label" int64 [B], "class_name" string [B] and the classes'
        shares of the votes, "score" float32 [B, C]."""
        labels = tf.identity(self._labels)
        similarity = tf.matmul(embeddings, self._rows, transpose_b=True)
        similarity = tf.where(labels < 0, -float("inf"), similarity)
        best = tf.math.top_k(similarity, self._neighbours)

        # Relative to the most similar: exp would overflow where τ is small.
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
    """The clusters' probabilities, and the one that has most.

    Args:
        names: Of the clusters, C of them.
    """

    def __init__(self, names: NameTable) -> None:
        super().__init__()
        self._names = names

    def __call__(self, probabilities: tf.Tensor) -> Outputs:
        """Gives "cluster" int64 [B], its "name" string [B] and
        "probabilities", float32 [B, C]."""
        cluster = tf.argmax(probabilities, axis=1)
        return {
            "cluster": cluster,
            "name": self._names(cluster),
            "probabilities": probabilities,
        }


class NameTable(tf.Module):
    """Names by number, read from a file that travels with the SavedModel.

    Args:
        path: Where the file is written; its name is kept.
        names: One a number.

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
        # File names need not be UTF-8; Python reads them so that nothing is
        # lost.
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
        """int64 of any shape to string of the same."""
        return self._table.lookup(numbers)
