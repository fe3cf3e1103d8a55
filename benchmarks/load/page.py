"""Write benchmarks/LOAD.md from the files of loads."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.sweeping.table import aligned
from benchmarks.harness import tables
from benchmarks.harness.tables import File
from benchmarks.load.closed_loop import PERCENTILES

INTRODUCTION = """\
# Under load

Written by `python -m benchmarks.load` from `benchmarks/results/load/*.json`; a
test holds it to them.

An exported SavedModel, as TensorFlow Serving loads it, on a CPU. Each client is
a thread that asks the loaded graph, waits for the answer, and asks again. No
network and no server stand between them, and requests are not merged into
batches: what a server adds comes on top, and `--enable_batching` may give more
images per second to many clients with small requests. The encoder is untrained,
which changes no time. `serving_default` takes pixels of the encoder's size;
`serving_bytes` takes JPEG files, which the graph decodes and resizes. A
percentile that fewer than one request lies above is left out.
"""


def render(found: Sequence[File]) -> str:
    """Write the whole page.

    Args:
        found: The files of loads.
    """
    parts = [_section(file) for file in found] or ["Not measured yet.\n"]
    return "\n".join([INTRODUCTION, *parts])


def _section(file: File) -> str:
    table = [
        ["signature", "images in a request", "clients", "images/s",
         *(f"p{p}, ms" for p in PERCENTILES), "requests"]
    ]  # fmt: skip
    for row in file["rows"]:
        times = (row[f"p{p}"] for p in PERCENTILES)
        table.append(
            [
                f"`{row['signature']}`",
                str(row["batch"]),
                str(row["clients"]),
                tables.number(row["images_per_second"]),
                *("" if t is None else tables.number(t) for t in times),
                f"{row['requests']:,}",
            ]
        )
    return (
        f"## `{file['encoder']}`, {file['image_size']} pixels\n\n"
        f"{aligned(table)}\n"
        f"Files: JPEG, {file['file_side']}×{file['file_side']} pixels, "
        f"{file['file_bytes']:,} bytes on average. {file['threads']} threads, "
        f"{tables.machine(file['machine'])}, load {file['load']:g} before; "
        f"{tables.versions(file['versions'])}; {file['date']}; "
        f"`{file['command']}`.\n"
    )
