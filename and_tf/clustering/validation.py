"""What every epoch of a clustering says of images that are not learnt from."""

from __future__ import annotations

from collections.abc import Callable

import keras

from and_tf.clustering.assessment import Assessment

COLLAPSED = (
    "{used} of {clusters} clusters are used and the largest has {largest:.0f} "
    "% of the images. If it stays so, raise --entropy_weight, or "
    "--batch_size, or look at the agreement of the mined neighbours."
)


class Validation(keras.callbacks.Callback):
    """Adds `validation_loss`, `head`, `clusters_used`, … to the logs.

    Args:
        assess: Assesses the model as it is.
        accuracy: ACC of an assessment, None without labels. It is shown, and
            chooses nothing.
        figures: What else the logs are to say of an assessment.
    """

    def __init__(
        self,
        assess: Callable[[], Assessment],
        accuracy: Callable[[Assessment], float | None],
        figures: Callable[[Assessment], dict] | None = None,
    ) -> None:
        super().__init__()
        self._assess = assess
        self._accuracy = accuracy
        self._figures = figures
        self._warned = False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Assesses, and says where clusters collapse."""
        if logs is None:
            return
        found = self._assess()
        logs["validation_loss"] = float(found.losses[found.head])
        logs["head"] = found.head
        logs["clusters_used"] = found.used
        logs["largest_cluster"] = found.largest
        acc = self._accuracy(found)
        if acc is not None:
            logs["acc"] = acc
        if self._figures is not None:
            logs.update(self._figures(found))
        if found.collapsed and not self._warned:
            print(f"after epoch {epoch + 1}, {describe(found)}", flush=True)
        self._warned = found.collapsed


def describe(found: Assessment) -> str:
    """What is wrong with clusters that collapsed, and what to do."""
    return COLLAPSED.format(
        used=found.used,
        clusters=len(found.sizes),
        largest=100 * found.largest,
    )
