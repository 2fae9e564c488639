"""Necks: take the features of a pyramid and combine its levels."""
