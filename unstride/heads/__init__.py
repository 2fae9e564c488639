"""Heads: features in, predictions out, on the grid of the features."""
