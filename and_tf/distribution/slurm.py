"""Reads the processes that train together from the variables of Slurm."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from and_tf.distribution.tf_config import Cluster
from and_tf.utils.errors import InputError

TASKS = "SLURM_STEP_NUM_TASKS"
# Below the ports that Linux gives to clients, 32768 and above. A job has a few
# of its own, since two jobs may share a node.
_FIRST_PORT, _PORTS_OF_A_JOB, _JOBS = 20_000, 16, 750


def is_set(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether `srun` has started this process as one of several.

    A batch script itself is not a step of its job and has no such variable,
    and what it starts without `srun` trains alone.
    """
    number = environment.get(TASKS, "")
    return re.fullmatch("[0-9]{1,9}", number) is not None and int(number) > 1


def read() -> Cluster:
    """Finds the processes of a step by TensorFlow's `SlurmClusterResolver`.

    It expands the lists of nodes, as Slurm shortens them, and sorts them as
    text, so that n10 comes before n9. Slurm does not number tasks so: this
    process' own number is looked up by its node.

    Raises:
        InputError: If a variable of Slurm is missing or cannot be read.
    """
    import tensorflow as tf  # Sweeps only ask `is_set`, and do without it.

    try:
        spec = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port(os.environ.get("SLURM_JOB_ID", "")),
            # It counts addresses by these two. Slurm itself gives GPUs to
            # tasks, so that there is nothing to divide.
            gpus_per_node=int(os.environ[TASKS]),
            gpus_per_task=1,
            auto_set_gpu=False,
        ).cluster_spec()
        addresses = tuple(spec.job_tasks("worker"))
        return Cluster(addresses, _own_index(addresses))
    # Its parsers check by assertions.
    except (AssertionError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(
            "Expected the variables that srun sets for each task of a step. "
            f"Received others ({error}). Set TF_CONFIG, which is taken before "
            "them, or train without the other tasks by --strategy=default."
        ) from error


def port(job: str) -> int:
    """Returns the first port of a job, which all of its tasks derive alike.

    Args:
        job: The number of the job; any other text is job 0.
    """
    number = int(job) if re.fullmatch("[0-9]{1,18}", job) else 0
    return _FIRST_PORT + number % _JOBS * _PORTS_OF_A_JOB


def _own_index(addresses: tuple[str, ...]) -> int:
    """Returns the number of this process among the sorted addresses."""
    node, local = os.environ["SLURMD_NODENAME"], os.environ["SLURM_LOCALID"]
    own = [a for a in addresses if a.rpartition(":")[0] == node]
    if int(local) >= len(own):
        raise ValueError(f"no task {local} on node {node}")
    return addresses.index(own[int(local)])
