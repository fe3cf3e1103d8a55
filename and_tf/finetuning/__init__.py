"""Fine-tunes the encoder of a run with few labels, and compares the result."""
