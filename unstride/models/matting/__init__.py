"""Matting networks: predict how much of each pixel is foreground."""
