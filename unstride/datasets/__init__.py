"""Data sets, one file each: photographs with labels."""
