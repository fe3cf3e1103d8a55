"""Embeds any number of images into tables, and searches the tables."""
