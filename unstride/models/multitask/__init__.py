"""Networks for several tasks at once."""
