"""Trains an encoder: config, model, checkpoints, run directory and result."""
