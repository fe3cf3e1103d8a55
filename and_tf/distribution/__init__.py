"""Spreads work over GPUs, processes and machines, and gathers the results."""
