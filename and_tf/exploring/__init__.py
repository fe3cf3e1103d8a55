"""Looks through a folder of images: duplicates, faults, groups, labels."""
