"""Exports trained encoders for deployment, and embeds and searches images."""
