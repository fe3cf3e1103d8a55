"""Reads the processes that train together from TF_CONFIG."""

from __future__ import annotations

import dataclasses
import os
import re
import textwrap
from collections.abc import Mapping
from typing import Any

from and_tf.utils import records, schemas
from and_tf.utils.errors import InputError

JOBS = ("chief", "worker")
MOST_PORT = 65_535
_LONGEST = 1_000  # Characters of an invalid TF_CONFIG that are shown.
EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": '
    '"worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes that train together, and the number of this one.

    Attributes:
        addresses: The host:port of every process; the first is the chief's.
        index: The number of this process among them, from 0.
    """

    addresses: tuple[str, ...]
    index: int


def is_set(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether TF_CONFIG is set and not empty."""
    return bool(environment.get("TF_CONFIG", "").strip())


def read(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Reads TF_CONFIG.

    Raises:
        InputError: If TF_CONFIG is not set, or is not JSON with a cluster of
            the jobs `JOBS` and the task of this process.
    """
    if not is_set(environment):
        raise InputError(
            "Expected TF_CONFIG in the environment of each process with "
            f"--strategy=multi_worker, such as {EXAMPLE}. Received none."
        )
    text = environment["TF_CONFIG"]
    try:
        value = records.decode(text, schemas.TfConfig)
        return _parse(value["cluster"], value["task"])
    except ValueError as error:
        shown = textwrap.shorten(text, _LONGEST, placeholder=" …")
        raise InputError(
            f"Expected TF_CONFIG such as {EXAMPLE}. Received: {shown} "
            f"({error}). Correct it, or train without it by --strategy=default."
        ) from error


def _parse(jobs: dict[str, list[str]], task: dict[str, Any]) -> Cluster:
    """Returns the cluster that the two parts of TF_CONFIG describe.

    Raises:
        ValueError: If a part is invalid; the message names the reason.
    """
    others = sorted(set(jobs) - set(JOBS))
    if others:
        raise ValueError(f"no job but {' and '.join(JOBS)}, not {others[0]}")
    for job in jobs:
        for address in jobs[job]:
            host, _, port = address.rpartition(":")
            if not host or not re.fullmatch("[0-9]{1,5}", port):
                raise ValueError(f"{address!r} is no host:port")
            if not 0 < int(port) <= MOST_PORT:
                raise ValueError(
                    f"the port of {address!r} is none of 1 to {MOST_PORT}"
                )
    if len(jobs.get("chief", ())) > 1:
        raise ValueError(f"one chief at most, not {len(jobs['chief'])}")
    addresses = tuple(address for job in JOBS for address in jobs.get(job, ()))
    if len(set(addresses)) != len(addresses):
        raise ValueError("an address occurs twice")
    job, index = task["type"], int(task["index"])
    if job not in jobs or not 0 <= index < len(jobs[job]):
        raise ValueError(f"the cluster has no {job} {index}")
    before = len(jobs.get("chief", ())) if job == "worker" else 0
    return Cluster(addresses, before + index)
