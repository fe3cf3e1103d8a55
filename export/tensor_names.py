"""Names the signature, the tensors and the modes of exported files."""

from __future__ import annotations

MODES = ("none", "float16", "dynamic", "int8")
SIGNATURE = "serving_default"
INPUT = "images"
OUTPUT = "embedding"
FEATURES = "features"  # The output in the place of the embedding, if asked for.
PROBABILITIES = "probabilities"  # A clustering's second output.
EMBEDDING, BACKBONE = OUTPUT, "backbone"  # What --features chooses between.
