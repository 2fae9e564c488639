"""Panoptic segmentation networks."""
