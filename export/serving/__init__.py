"""Exports encoders and clusterings for TensorFlow Serving, and asks it."""
