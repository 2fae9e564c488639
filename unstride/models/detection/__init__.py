"""Object detectors and instance segmentation."""
