"""The same result in less memory: tiles, and how much memory there is."""
