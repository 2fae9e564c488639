"""Depth networks."""
