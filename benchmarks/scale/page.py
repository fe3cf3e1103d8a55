"""Fill in the tables of docs/scale.md."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks import registry
from benchmarks.harness import record
from benchmarks.scale import hours, sizes

PATH = record.HERE.parent / "docs" / "scale.md"


def filled(text: str) -> str:
    """Return a page with its tables computed anew.

    Args:
        text: The page, with <!-- name --> and <!-- end --> around each table.

    Raises:
        KeyError: If there is no table of a name.
    """
    tables = _tables()
    return re.sub(
        r"(<!-- (\w+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{tables[found[2]]()}\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


def _tables() -> dict[str, Callable[[], str]]:
    place = record.RESULTS / "speed"
    files = {
        file["name"]: file for file in record.read_all(place, registry.BY_NAME)
    }
    return {
        "bytes": lambda: sizes.bytes_table(files),
        "bank": sizes.bank_table,
        "limits": lambda: hours.limits_table(files),
        "hours": lambda: hours.hours_table(files),
        "cost": lambda: hours.cost_table(files),
    }
