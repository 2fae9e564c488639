"""Features of images from timm's networks: on one grid, or at several strides."""
