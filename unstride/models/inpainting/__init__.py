"""Inpainting networks: fill the holes of an image."""
