"""Data sets of images with labels, one file per data set."""
