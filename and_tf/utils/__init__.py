"""Helps every other room: errors, files, flags, console output."""
