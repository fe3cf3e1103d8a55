"""Follows a training: checkpoints, evaluation, progress, TensorBoard."""
