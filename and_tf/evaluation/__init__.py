"""Computes figures from arrays; nothing here knows a run."""
