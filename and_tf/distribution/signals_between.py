"""Tells the first of several processes of a signal that another was sent.

Only the first process writes checkpoints. Where one machine is taken away, its
process alone hears SIGTERM; if it ended by itself, the first process would lose
the step that they share, and all work since the newest checkpoint.
"""

from __future__ import annotations

import threading

import tensorflow as tf
from tensorflow.python.eager import context

from and_tf.distribution.process_group import ProcessGroup
from and_tf.utils.signals import Interruption

# TensorFlow's coordination service, which joins the processes, keeps texts by
# their names. It has no public interface; `PreemptionCheckpointHandler` uses
# the same two methods, but takes over checkpoints and the loop over steps.
_NAME = "and_tf/asked_to_end"


def tell_first(number: int) -> bool:
    """Tells the first process of a signal; returns False if it cannot be told.

    Args:
        number: The number of the signal.
    """
    try:
        context.context().set_config_key_value(_NAME, str(number))
    except (tf.errors.AlreadyExistsError, tf.errors.InvalidArgumentError):
        return True  # Another process has told it.
    except (tf.errors.OpError, AttributeError):
        return False
    return True


def hear_others(interruption: Interruption, processes: ProcessGroup) -> None:
    """Notes signals of other processes in the first one, from now on.

    Args:
        interruption: What notes the signals of this process.
        processes: The processes that train together.
    """
    if processes.chief and processes.size > 1:
        threading.Thread(
            target=_listen, args=(interruption,), daemon=True
        ).start()


def _listen(interruption: Interruption) -> None:
    try:
        # It waits for the text, or until the processes part.
        number = context.context().get_config_key_value(_NAME)
        interruption.signal_number = interruption.signal_number or int(number)
    except (tf.errors.OpError, AttributeError, ValueError):
        pass
