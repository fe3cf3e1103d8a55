"""Which devices a run is spread over."""

from __future__ import annotations

import signal
import threading

import tensorflow as tf

from and_tf import tf_config
from and_tf.errors import InputError


def build(name: str) -> tf.distribute.Strategy:
    """Makes the strategy by its flag, before TensorFlow runs anything else.

    With up to one GPU there is none, so that XLA stays on: Keras compiles no
    step under any other strategy. Several processes wait here until all of
    them are there.

    Args:
        name: auto, default, mirrored or multi_worker.

    Raises:
        InputError: For a strategy that this machine cannot have, or where
            TF_CONFIG is not as it should be.
    """
    if name == "auto":
        name = _best()
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return _multi_worker(tf_config.read())


def _best() -> str:
    """The strategy that suits what is there."""
    # First, since to count GPUs is to start TensorFlow's runtime, which then
    # can join no other processes.
    if tf_config.is_set():
        return "multi_worker"
    gpus = len(tf.config.list_logical_devices("GPU"))
    return "mirrored" if gpus > 1 else "default"


def _multi_worker(
    processes: tf_config.Cluster,
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
        joined = tf.distribute.MultiWorkerMirroredStrategy()
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
