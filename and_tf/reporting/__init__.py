"""Writes a page about a run: its settings, its results and its images."""
