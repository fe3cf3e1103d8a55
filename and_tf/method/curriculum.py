"""Schedules neighbourhood discovery and the selection of anchors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import ArrayLike

from and_tf.data.labels import as_labels, check_count
from and_tf.distribution.process_group import ProcessGroup
from and_tf.method import cluster_neighbours as clustering
from and_tf.method.discovery import Neighbourhoods, consistency, discover
from and_tf.method.rounds import Rounds
from and_tf.utils.errors import InputError


class Advances(Protocol):
    """Something that shows how much of a long work is done."""

    def advance(self, count: int) -> None:
        """Counts samples that are done."""


Progress = Callable[[int], contextlib.AbstractContextManager[Advances]]


class Curriculum(keras.callbacks.Callback):
    """A callback that begins each round with discovery (Algorithm 1).

    Epochs before the first round are instance learning. At the first epoch of
    each round, the callback searches the model's memory bank for the
    neighbours and the entropy of every sample, and assigns the model's
    `neighbours` and `is_anchor`. Their shapes are fixed, so that nothing is
    traced again.

    It adds to the logs of every epoch: `round`, `anchors` (their number) and,
    with labels, `consistency` (the mean over the anchors) and
    `consistency_all` (the mean over all samples).

    Args:
        rounds: R, the number of rounds.
        epochs_per_round: The length of rounds 1 to R, in epochs.
        initial_epochs: Epochs of instance learning before the first round.
            None takes `epochs_per_round`. 0 discovers the first neighbourhoods
            in the features of the untrained encoder, for which it needs
            `images`.
        selection: "curriculum" makes r/R of the samples, those with the lowest
            entropy, the anchors of round r. "one_off" discovers once, in
            round 1, and makes all samples anchors for good. "clusters" gives
            all samples, in each round anew, members of their k-means cluster
            as neighbours. "none" selects no anchors.
        clusters: The number of clusters with selection "clusters"; 0 takes a
            number that suits N.
        search_probes: The number of cells in which each sample's neighbours
            are searched. 0, the default, searches exactly. See `discover`.
        seed: Random seed of selection "clusters", and of the cells.
        images: Batches (images, sample_ids) with every sample once, such as
            those of a finite `tf.data.Dataset`, whose embeddings fill the
            memory bank where `initial_epochs` is 0. Discovery needs them
            there, unless it has `rows`.
        rows: float32 [N, D], of unit norm, in which neighbours, entropies and
            clusters are searched in place of the memory bank; D may differ
            from the bank's. As they do not change, neither do the neighbours,
            and each round only selects more anchors. None is the bank.
        labels: [N], −1 where unknown, used only to log consistency: any array
            or list of whole numbers or strings.
        on_discovery: A function that is called with the `Neighbourhoods` of
            each round.
        first_step: The number of steps of the first epoch that were already
            done. If it is above 0, the callback starts no new round in that
            epoch, because the model already has the round's neighbourhoods.
        progress: A function that takes N and makes a context manager around a
            search, whose `advance` is called with numbers of samples that add
            up to N. None shows nothing.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> import and_tf
        >>> rng = np.random.default_rng(0)
        >>> images = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
        >>> encoder = and_tf.encoders.build("small", 8, embedding_dim=16)
        >>> model = and_tf.AND(encoder, num_examples=40)
        >>> model.compile(keras.optimizers.SGD(0.03))
        >>> rounds = and_tf.Curriculum(rounds=2, epochs_per_round=1)
        >>> history = model.fit(
        ...     images, np.arange(40), epochs=3, callbacks=[rounds], verbose=0
        ... )
        >>> history.history["anchors"]
        [0, 20, 40]
    """

    def __init__(
        self,
        rounds: int = 4,
        epochs_per_round: int = 200,
        initial_epochs: int | None = None,
        *,
        selection: str = "curriculum",
        clusters: int = 0,
        search_probes: int = 0,
        seed: int = 0,
        images: Iterable[Any] | None = None,
        rows: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        on_discovery: Callable[[Neighbourhoods], None] | None = None,
        first_step: int = 0,
        progress: Progress | None = None,
    ) -> None:
        super().__init__()
        if initial_epochs is None:
            initial_epochs = epochs_per_round
        self.plan = Rounds(rounds, epochs_per_round, initial_epochs)
        if rounds and not initial_epochs and images is None and rows is None:
            raise InputError(
                "Expected `images` where initial_epochs is 0, or `rows`: the "
                "first neighbourhoods are searched in the untrained encoder's "
                "features of the images, or in the rows. Received: None."
            )
        self.selection = selection
        self.clusters = clusters
        self.search_probes = search_probes
        self.seed = seed
        self._images = images
        self._rows = None if rows is None else _as_rows(rows)
        self._labels = None if labels is None else as_labels(labels)
        self._on_discovery = on_discovery
        self._begun = first_step > 0
        self._progress = progress
        self._logs: dict[str, float] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Takes up the neighbourhoods that a resumed model already has.

        Raises:
            InputError: If the model has no memory bank, if the number of
                labels or of rows is not N, or if there are more clusters than
                samples.
        """
        if getattr(self.model, "bank", None) is None:
            raise InputError(
                "Expected a model with a memory bank, such as and_tf.AND, for "
                f"rounds of neighbourhoods. Received: {self.model.name!r}. "
                "Leave the Curriculum out."
            )
        count = self.model.neighbours.shape[0]
        if self._labels is not None:
            check_count(self._labels, count)
        if self._rows is not None and len(self._rows) != count:
            raise InputError(
                f"Expected one of the `rows` for each of the {count} samples. "
                f"Received: {len(self._rows)}."
            )
        clustering.check(self.clusters, count)
        self._describe()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Discovers neighbourhoods at the first epoch of each round."""
        round_number = self.plan.of_epoch(epoch)
        first = epoch == self.plan.first_epoch(round_number)
        if round_number and first and not self._begun:
            self._begin(round_number)
        self._begun = False
        self._logs["round"] = round_number

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the round, the anchors and the consistency to the logs."""
        if logs is not None:
            logs.update(self._logs)

    def _begin(self, round_number: int) -> None:
        if round_number > 1 and self.selection == "one_off":
            return
        if self.plan.first_epoch(round_number) == 0 and (
            self._images is not None
        ):
            self.model.fill_bank(self._images)
        with self._shown() as advance:
            found = self._discover(round_number, advance)
        self.model.neighbours.assign(found.neighbours)
        self.model.is_anchor.assign(found.is_anchor)
        self._describe()
        if self._on_discovery:
            self._on_discovery(found)

    @contextlib.contextmanager
    def _shown(self) -> Iterator[Callable[[int], None] | None]:
        """Shows the progress of a search, if there is something to show it."""
        if self._progress is None:
            yield None
            return
        with self._progress(self.model.neighbours.shape[0]) as shown:
            yield shown.advance

    def _discover(
        self, round_number: int, advance: Callable[[int], None] | None
    ) -> Neighbourhoods:
        rows = self._rows
        return discover(
            self.model.bank.rows.value if rows is None else rows,
            round_number=round_number,
            rounds=self.plan.rounds,
            neighbourhood_size=self.model.neighbours.shape[1],
            temperature=self.model.temperature,
            selection=self.selection,
            clusters=self.clusters,
            search_probes=self.search_probes,
            seed=self.seed,
            processes=ProcessGroup(self.model.distribute_strategy),
            progress=advance,
        )

    def _describe(self) -> None:
        """Computes the logs from the model's neighbours and anchors."""
        is_anchor = np.asarray(self.model.is_anchor)
        self._logs = {"anchors": int(is_anchor.sum())}
        if self._labels is None or not is_anchor.any():
            return
        agree = consistency(np.asarray(self.model.neighbours), self._labels)
        if not np.isnan(agree[is_anchor]).all():
            self._logs["consistency"] = float(np.nanmean(agree[is_anchor]))
            self._logs["consistency_all"] = float(np.nanmean(agree))


def _as_rows(rows: ArrayLike) -> np.ndarray:
    """Returns the rows as float32 [N, D].

    Raises:
        InputError: If they are no matrix of finite numbers.
    """
    found = np.asarray(rows)
    if (
        found.ndim != 2
        or found.dtype.kind not in "fiu"
        or not np.isfinite(found).all()
    ):
        raise InputError(
            "Expected `rows` as an array [N, D] of finite numbers. Received: "
            f"{found.dtype} {list(found.shape)}."
        )
    return found.astype(np.float32, copy=False)
