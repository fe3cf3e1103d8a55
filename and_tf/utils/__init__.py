"""Helps all other packages: errors, files, flags, console output."""
