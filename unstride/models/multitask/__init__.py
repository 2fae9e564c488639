"""Networks for single dense tasks, and for several at once."""
