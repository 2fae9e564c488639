"""Training methods, one per file. They need the extra: pip install 'unstride[train]'."""
