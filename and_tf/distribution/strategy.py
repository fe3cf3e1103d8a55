"""Which devices a run is spread over."""

from __future__ import annotations

import signal
import threading

import tensorflow as tf

from and_tf.distribution import tf_config
from and_tf.utils.errors import InputError


def build(name: str, communication: str = "auto") -> tf.distribute.Strategy:
    """Makes the strategy by its flag, before TensorFlow runs anything else.

    With up to one GPU there is none, so that XLA compiles whole steps: with
    replicas it compiles the part of a step before they exchange anything, see
    `Pretext.compiles_locally`. Several processes wait here until all of them
    are there.

    Args:
        name: auto, default, mirrored or multi_worker.
        communication: What replicas exchange tensors by: auto, nccl or ring.

    Raises:
        InputError: For a strategy that this machine cannot have, or where
            TF_CONFIG is not as it should be.
    """
    if name == "auto":
        name = _best()
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(
            cross_device_ops=_cross_device_ops(communication)
        )
    return _multi_worker(tf_config.read(), communication)


def accelerated(strategy: tf.distribute.Strategy) -> bool:
    """Whether all of a strategy's devices here are GPUs."""
    if strategy.num_replicas_in_sync == 1:
        return bool(tf.config.list_logical_devices("GPU"))
    return all("GPU" in name for name in strategy.extended.worker_devices)


def _cross_device_ops(
    communication: str,
) -> tf.distribute.CrossDeviceOps | None:
    """What a strategy of one process exchanges by; None is its own choice.

    That is NCCL where all devices are GPUs and TensorFlow was built with it.
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
    """What processes exchange by.

    TensorFlow's own choice is a ring over gRPC even between GPUs.
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
    """The strategy that suits what is there."""
    # First, since to count GPUs is to start TensorFlow's runtime, which then
    # can join no other processes.
    if tf_config.is_set():
        return "multi_worker"
    gpus = len(tf.config.list_logical_devices("GPU"))
    return "mirrored" if gpus > 1 else "default"


def _multi_worker(
    processes: tf_config.Cluster, communication: str
) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Joins the other processes."""
    address = processes.addresses[processes.index]
    if processes.index == 0:
        print(
            f"process 1 of {len(processes.addresses)}, at {address}; waiting "
            "for the others",
            flush=True,
        )
    try:
        joined = tf.distribute.MultiWorkerMirroredStrategy(
            communication_options=tf.distribute.experimental.CommunicationOptions(
                implementation=_implementation(communication)
            )
        )
    except (tf.errors.OpError, RuntimeError) as error:
        raise InputError(
            f"Expected to join the processes of TF_CONFIG as {address}. "
            f"Received: {str(error).splitlines()[0]}. Is the port free, and "
            "are all processes started?"
        ) from error
    _give_back_sigterm()
    return joined


def _give_back_sigterm() -> None:
    """Has SIGTERM do again what Python thinks that it does.

    To join makes TensorFlow listen to it, and then the process lives on.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
