"""Networks for depth."""
