"""A trained encoder in, something to deploy out."""
