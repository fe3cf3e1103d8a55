"""What an exported .tflite file is called and asked by."""

from __future__ import annotations

MODES = ("none", "float16", "dynamic", "int8")
SIGNATURE = "serving_default"
INPUT = "images"
OUTPUT = "embedding"
PROBABILITIES = "probabilities"  # Of clusters, beside the embedding.
