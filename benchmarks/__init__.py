"""Time, memory and quality, against what people use today."""
