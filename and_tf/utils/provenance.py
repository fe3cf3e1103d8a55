"""Says which labels the first weights of an encoder have seen.

A figure of an encoder that begins with weights of labelled images is no result
of learning without labels, so it never stands unmarked beside those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MARK = "†"
HELPED = "began with weights that have seen labels"

# The entry "pretrained" of a result.json or of a checkpoint's metadata.
Pretrained = Mapping[str, Any] | None


def has_seen_labels(pretrained: Pretrained) -> bool:
    """Returns whether weights have seen labels, or may have seen them."""
    return pretrained is not None and pretrained["labels"] != "none"


def describe(pretrained: Mapping[str, Any]) -> str:
    """Says where weights come from, and which labels they have seen."""
    unclear = {"none": "no labels", "unknown": "unknown labels"}
    labels = unclear.get(pretrained["labels"], pretrained["labels"])
    return f"{pretrained['source']}, which have seen {labels}"


def footnote(results: Iterable[Mapping[str, Any]]) -> str:
    """Explains `MARK` for the marked ones among results; "" without any.

    Args:
        results: The content of result.json of each run.
    """
    found = (result.get("pretrained") for result in results)
    told = {describe(one) for one in found if one and has_seen_labels(one)}
    if not told:
        return ""
    return f"{MARK} {HELPED}: {'; '.join(sorted(told))}.\n"
