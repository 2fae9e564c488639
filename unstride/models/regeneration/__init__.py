"""DejaVu: regenerate an image from what was left of it and from a network's prediction."""
