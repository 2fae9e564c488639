"""Computes the same result in less memory: tiles, their peak memory, and memory budgets."""
