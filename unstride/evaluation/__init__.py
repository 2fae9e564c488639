"""Measures how much an upsampler helps: frozen features, and one fixed protocol for all."""
