"""Task networks, assembled from finished parts."""
