"""Readers of images that lie elsewhere than in folders: one module a kind."""
