"""The page of a run."""

from __future__ import annotations

import pathlib

from and_tf import files
from and_tf.reporting.page import render
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.sections import SECTIONS
from and_tf.reporting.sections.outcome import notices

REMEDY = "Make room or choose another --output, then run it again."


def write(run: ReportedRun, output: pathlib.Path) -> None:
    """Writes the page, and says where it is and how large.

    Args:
        run: What is known of it.
        output: The file.

    Raises:
        InputError: If there is no room, or no right to write.
    """
    found = (provider(run) for provider in SECTIONS)
    sections = [section for section in found if section is not None]
    page = render(run.name, notices(run), sections)
    files.write_text(output, page, REMEDY)
    print(f"\nwrote {output} ({output.stat().st_size / 2**20:.1f} MiB)")
