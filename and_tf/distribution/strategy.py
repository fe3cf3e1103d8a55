"""Chooses the devices that a run is spread over."""

from __future__ import annotations

import signal
import threading

import tensorflow as tf

from and_tf.distribution import slurm, tf_config
from and_tf.distribution.tf_config import Cluster
from and_tf.utils.errors import InputError


def build(name: str, communication: str = "auto") -> tf.distribute.Strategy:
    """Makes the strategy that a flag names.

    Call it before TensorFlow runs anything else. With at most one GPU, auto
    takes TensorFlow's default strategy, so that XLA compiles whole steps: with
    several replicas it compiles the part of a step before they exchange
    anything, see `Pretext.compiles_locally`. Several processes wait here until
    all of them are started.

    Args:
        name: The name of the strategy: auto, default, mirrored or multi_worker.
        communication: The way in which replicas exchange tensors: auto, nccl
            or ring.

    Raises:
        InputError: If this machine does not allow the strategy, or TF_CONFIG
            or the variables of Slurm are invalid.
    """
    if name == "auto":
        name = _best()
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(
            cross_device_ops=_cross_device_ops(communication)
        )
    if slurm.is_set() and not tf_config.is_set():
        found = slurm.read()
        return _multi_worker(found, communication, _resolver(found))
    return _multi_worker(tf_config.read(), communication)


def of_this_process() -> tf.distribute.Strategy:
    """Makes the strategy of all GPUs of this process.

    It is TensorFlow's default one if there are fewer than two. TF_CONFIG is
    not read: nobody waits for other processes.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if len(gpus) < 2:
        return tf.distribute.get_strategy()
    # Without their names, it would take the devices that TF_CONFIG lists.
    return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus])


def accelerated(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether all devices of a strategy in this process are GPUs."""
    if strategy.num_replicas_in_sync == 1:
        return bool(tf.config.list_logical_devices("GPU"))
    return all("GPU" in name for name in strategy.extended.worker_devices)


def _cross_device_ops(
    communication: str,
) -> tf.distribute.CrossDeviceOps | None:
    """Returns the way in which the devices of one process exchange tensors.

    None leaves the choice to TensorFlow, which takes NCCL if all devices are
    GPUs and it was built with NCCL.
    """
    if communication == "nccl":
        _check_nccl()
        return tf.distribute.NcclAllReduce()
    if communication == "ring":
        return tf.distribute.HierarchicalCopyAllReduce()
    return None


def _implementation(
    communication: str,
) -> tf.distribute.experimental.CommunicationImplementation:
    """Returns the way in which processes exchange tensors.

    TensorFlow's own choice is a ring over gRPC, even between GPUs.
    """
    kinds = tf.distribute.experimental.CommunicationImplementation
    if communication == "nccl":
        _check_nccl()
    gpus = tf.config.list_physical_devices("GPU")
    if communication == "nccl" or (communication == "auto" and gpus):
        return kinds.NCCL
    return kinds.RING


def _check_nccl() -> None:
    if not tf.config.list_physical_devices("GPU"):
        raise InputError(
            "Expected GPUs with --communication=nccl. TensorFlow sees none. "
            "Leave the flag out."
        )


def _best() -> str:
    """Returns the name of the strategy that suits the processes and GPUs."""
    # Processes come first, since counting GPUs starts TensorFlow's runtime,
    # which then cannot join other processes.
    if tf_config.is_set() or slurm.is_set():
        return "multi_worker"
    gpus = len(tf.config.list_logical_devices("GPU"))
    return "mirrored" if gpus > 1 else "default"


def _resolver(
    processes: Cluster,
) -> tf.distribute.cluster_resolver.ClusterResolver:
    """Returns what tells TensorFlow of processes that TF_CONFIG does not name.

    `SlurmClusterResolver` itself would number this process anew at each call.
    """
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": processes.addresses}),
        task_type="worker",
        task_id=processes.index,
        rpc_layer="grpc",
    )


def _multi_worker(
    processes: Cluster,
    communication: str,
    resolver: tf.distribute.cluster_resolver.ClusterResolver | None = None,
) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Makes the strategy of several processes, and joins the others.

    Args:
        processes: The processes.
        communication: See `build`.
        resolver: Tells TensorFlow of them; None has it read TF_CONFIG.
    """
    address = processes.addresses[processes.index]
    if processes.index == 0:
        print(
            f"process 1 of {len(processes.addresses)}, at {address}; waiting "
            "for the others",
            flush=True,
        )
    try:
        joined = tf.distribute.MultiWorkerMirroredStrategy(
            cluster_resolver=resolver,
            communication_options=tf.distribute.experimental.CommunicationOptions(
                implementation=_implementation(communication)
            ),
        )
    except (tf.errors.OpError, RuntimeError) as error:
        raise InputError(
            f"Expected to join the other processes as {address}. "
            f"Received: {str(error).splitlines()[0]}. Is the port free, and "
            "are all processes started?"
        ) from error
    _give_back_sigterm()
    return joined


def _give_back_sigterm() -> None:
    """Restores Python's handler of SIGTERM.

    TensorFlow replaces it when processes join, so that SIGTERM would no longer
    end the process.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
