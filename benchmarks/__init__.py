"""Benchmarks: time, memory and quality, compared with what people use today."""
