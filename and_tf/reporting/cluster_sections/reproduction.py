"""How to run a clustering again: command, flags, versions, encoder."""

from __future__ import annotations

import shlex

from and_tf.reporting.markup import block, code, details, element, join, table
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.section import Section
from and_tf.reporting.sections.reproduction import config_command
from and_tf.training.run_directory import versions


def section(found: ReportedClustering) -> Section:
    """All that a second clustering needs."""
    path = str(found.directory.path)
    again = shlex.join(["python", "-m", "and_tf.report", f"--run_dir={path}"])
    source = found.result["pretext"]
    rows = [
        ("seed", str(found.result["seed"])),
        ("encoder's checkpoint", source["checkpoint"]),
        ("encoder's weights, SHA-256", source["encoder_sha256"][:16]),
        ("page written with", f"tensorflow {versions()['tensorflow']}"),
    ]
    rows += [
        (f"clustered with {k}", v) for k, v in found.result["versions"].items()
    ]
    parts = [
        element(
            "p", "With all flags that differ from the defaults. Another ",
            code("--output_dir"), " makes it anew.",
        ),
        block(config_command("cluster", found.config)),
        element("p", "This page again:"),
        block(again),
        table("What figures depend on beside the flags", ("", ""), rows),
        details("All flags", block(found.directory.flagfile.read_text())),
    ]  # fmt: skip
    return Section("reproduction", "How to run it again", join(*parts))
