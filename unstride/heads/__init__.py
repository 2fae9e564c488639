"""Heads: turn features into predictions."""
