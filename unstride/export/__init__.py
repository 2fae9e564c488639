"""Exports models to files for other programs: one file for each format."""
