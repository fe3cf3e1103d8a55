"""The flags of a training, by what they are about: parts of its config."""
