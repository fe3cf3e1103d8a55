"""Says which labels the first weights of an encoder have seen.

A figure of an encoder that begins with weights of labelled images is no result
of learning without labels, so it never stands unmarked beside those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MARK = "†"
HELPED = "begun with, or taught by, weights that have seen labels"

# The entries of a result.json, or of a checkpoint's metadata, that say where
# trained weights come from: those of the encoder, and those of its teacher.
ENTRIES = ("pretrained", "teacher")
Origin = Mapping[str, Any]


def origins(result: Mapping[str, Any]) -> list[Origin]:
    """Returns where trained weights come from that a run has made use of."""
    return [result[name] for name in ENTRIES if result.get(name)]


def has_seen_labels(origin: Origin | None) -> bool:
    """Returns whether weights have seen labels, or may have seen them."""
    return origin is not None and origin["labels"] != "none"


def is_helped(result: Mapping[str, Any]) -> bool:
    """Returns whether labels have helped a run by way of trained weights."""
    return any(map(has_seen_labels, origins(result)))


def labels(origin: Origin) -> str:
    """Says which labels weights have seen."""
    unclear = {"none": "no labels", "unknown": "unknown labels"}
    told: str = origin["labels"]
    return unclear.get(told, told)


def describe(origin: Origin) -> str:
    """Says where weights come from, and which labels they have seen."""
    return f"{origin['source']}, which have seen {labels(origin)}"


def footnote(results: Iterable[Mapping[str, Any]]) -> str:
    """Explains `MARK` for the marked ones among results; "" without any.

    Args:
        results: The content of result.json of each run.
    """
    found = (one for result in results for one in origins(result))
    told = {describe(one) for one in found if has_seen_labels(one)}
    if not told:
        return ""
    return f"{MARK} {HELPED}: {'; '.join(sorted(told))}.\n"
