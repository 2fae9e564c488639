"""What happens to a sample: augmentation, geometry, training targets."""
