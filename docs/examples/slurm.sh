#!/bin/bash
# Trains one run on several nodes of Slurm, a task on each:
#     sbatch --nodes=2 --gpus-per-node=4 --time=12:00:00 docs/examples/slurm.sh
# Flags after the name of this file are given to the training.
#
#SBATCH --job-name=and_tf
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --open-mode=append
#SBATCH --requeue
# All tasks are asked to end two minutes before the time is up.
#SBATCH --signal=TERM@120
set -u

# Without the 0, some sites end all tasks at once with the first, and so the one
# that is writing the checkpoint.
code=0
srun --kill-on-bad-exit=0 .venv/bin/python -m and_tf.train \
    --flagfile=configs/imagenet.flags --run_dir=runs/imagenet --resume "$@" ||
    code=$?

# 143 is the training's own: it was asked to end, and has kept its step.
if [ "$code" -eq 143 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
