"""Where the encoder looks."""

from __future__ import annotations

from and_tf import protocols
from and_tf.reporting.advice import not_evaluated, staleness
from and_tf.reporting.markup import join
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.saved_pictures import saved_picture
from and_tf.reporting.section import Section

NAME = "attention"


def section(run: ReportedRun) -> Section | None:
    """The picture of the protocol of that name; none without a bank."""
    if not run.config.has_bank:
        return None
    caption = "What parts of an image its embedding comes from."
    picture = saved_picture(run.picture(NAME), caption)
    if picture is None:
        if NAME not in protocols.NAMES:
            return None
        return Section(NAME, "Attention", not_evaluated(run, NAME))
    return Section(NAME, "Attention", join(staleness(run, NAME), picture))
