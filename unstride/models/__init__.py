"""Networks for dense prediction, one package a task. Each is assembled from finished parts."""
