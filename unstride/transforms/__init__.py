"""Transforms of samples: augmentation, pixel maps, views, normals, targets of networks."""
