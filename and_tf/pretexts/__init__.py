"""Trains an encoder by other means than AND, for comparison."""
