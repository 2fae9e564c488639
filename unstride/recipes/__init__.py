"""Training methods, one file each. They need the extra "train"."""
