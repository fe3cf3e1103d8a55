"""Trains an encoder by other methods than AND, for comparison."""
