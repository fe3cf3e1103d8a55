"""The page of a run."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from and_tf.reporting.markup import Html
from and_tf.reporting.page import render
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Provider
from and_tf.reporting.sections import SECTIONS
from and_tf.reporting.sections.outcome import notices
from and_tf.training import result_file
from and_tf.utils import atomic_files

REMEDY = "Make room or choose another --output, then run it again."


def write(run: ReportedRun, output: pathlib.Path) -> None:
    """Writes the page of a run, see `write_page`."""
    with result_file.using(run.directory.result):
        write_page(run, notices(run), SECTIONS, output)


def write_page(
    shown: Any,
    head: Html,
    providers: Sequence[Provider],
    output: pathlib.Path,
) -> None:
    """Writes a page of sections, and says where it is and how large.

    Args:
        shown: What the providers take; has a name.
        head: What stands above all sections.
        providers: Of the sections, in order.
        output: The file.

    Raises:
        InputError: If there is no room, or no right to write.
    """
    found = (provider(shown) for provider in providers)
    sections = [section for section in found if section is not None]
    page = render(shown.name, head, sections)
    atomic_files.write_text(output, page, REMEDY)
    print(f"\nwrote {output} ({output.stat().st_size / 2**20:.1f} MiB)")
