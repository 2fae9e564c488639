"""Losses, one file per subject."""
