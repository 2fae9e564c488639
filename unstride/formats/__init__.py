"""Reads and writes files: images, labels, features, COCO. File contents are never trusted."""
