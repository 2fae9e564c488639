"""Extracts pixel-resolution features from images: a backbone and an upsampler, or a fit."""
