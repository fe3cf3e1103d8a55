"""Looks through a folder of images: clusters, duplicates, outliers, labels."""
