"""Protocols that tell how good an encoder is."""
