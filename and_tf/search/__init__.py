"""Finds exact nearest neighbours, with entropies, and k-means clusters."""
