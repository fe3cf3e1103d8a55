"""Defines the flags of the loop around training steps."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, RunConfig, option


@dataclasses.dataclass(frozen=True)
class LoopConfig(RunConfig):
    """The flags that every training loop shares, whatever it trains."""

    strategy: str = option(
        Group.DEVICES,
        "auto",
        "How training is spread over devices: default uses one device, "
        "mirrored all GPUs of this machine, multi_worker the processes that "
        "TF_CONFIG names or, without it, the tasks that Slurm's srun has "
        "started. auto takes multi_worker if there are several, else mirrored "
        "if there are two or more GPUs, else default.",
        choices=("auto", "default", "mirrored", "multi_worker"),
        free=True,
    )
    communication: str = option(
        Group.DEVICES,
        "auto",
        "How devices exchange gradients: nccl is NVIDIA's library, ring is "
        "TensorFlow's own and needs no library. auto takes nccl if all "
        "devices are GPUs, as it is faster there, else ring.",
        choices=("auto", "nccl", "ring"),
        free=True,
    )
    steps_per_execution: int = option(
        Group.DEVICES,
        0,
        "Steps that the device is given at a time. The progress bar moves and "
        "Ctrl-C is heard only between two such groups of steps. 0 means one "
        "on a CPU and, on a GPU, as many as take about a second, so that the "
        "GPU does not wait for Python.",
        unit="steps",
        least=0,
        most=bounds.STEPS,
        free=True,
    )
    checkpoint_steps: int = option(
        Group.CHECKPOINTS,
        2000,
        "Steps between two checkpoints within an epoch; one is written only "
        "after --checkpoint_seconds. 0 writes none within an epoch.",
        unit="steps",
        least=0,
        most=bounds.STEPS,
        free=True,
    )
    checkpoint_epochs: int = option(
        Group.CHECKPOINTS,
        1,
        "Epochs between two checkpoints; one is written only after "
        "--checkpoint_seconds. The end of a round, the best epoch so far, the "
        "last epoch, and Ctrl-C or SIGTERM always write one.",
        unit="epochs",
        least=1,
        most=bounds.EPOCHS,
        free=True,
    )
    checkpoint_seconds: float = option(
        Group.CHECKPOINTS,
        60.0,
        "Smallest number of seconds between two checkpoints. A run that is "
        "killed has to repeat about as much. 0 writes them as often as "
        "--checkpoint_epochs and --checkpoint_steps say.",
        unit="seconds",
        least=0.0,
        most=float(bounds.SECONDS),
        free=True,
    )
