"""Files in, files out: images, labels, features, COCO. Nothing in a file is trusted."""
