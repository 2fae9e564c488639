"""Necks: features of a pyramid in, features that know of each other out."""
