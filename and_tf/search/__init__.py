"""Exact nearest neighbours, with entropies: `nearest.nearest`."""
