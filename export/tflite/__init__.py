"""Exports encoders and clusterings as TFLite files."""
