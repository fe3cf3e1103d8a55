"""Names the signature, the tensors and the modes of exported .tflite files."""

from __future__ import annotations

MODES = ("none", "float16", "dynamic", "int8")
SIGNATURE = "serving_default"
INPUT = "images"
OUTPUT = "embedding"
PROBABILITIES = "probabilities"  # A clustering's second output.
