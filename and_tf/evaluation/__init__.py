"""Computes evaluation figures from arrays, independently of any run."""
