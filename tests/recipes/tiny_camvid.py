"""A street that is nothing but colours: sky above, road below, a car between."""

import numpy as np
from PIL import Image

COLOURS = {0: (90, 140, 230), 3: (60, 60, 60), 8: (200, 30, 30)}  # sky, road, car of CamVid
HEIGHT, WIDTH = 48, 64


def write_camvid(root, splits=("train", "val", "test"), count=3, void=1):
    """CamVid's layout, as in the data pack; the last columns of each label are void."""
    draw = np.random.default_rng(0)
    for split in splits:
        for folder in ("images", "labels"):
            (root / split / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            labels = np.zeros((HEIGHT, WIDTH), np.uint8)
            labels[HEIGHT // 2 :] = 3
            left = int(draw.integers(4, WIDTH - 24))
            labels[16:36, left : left + 20] = 8
            pixels = np.array([COLOURS.get(k, (0, 0, 0)) for k in range(9)], np.float32)[labels]
            pixels = np.clip(pixels + draw.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
            labels[:, WIDTH - void :] = 11
            Image.fromarray(pixels).save(root / split / "images" / f"{i}.png")
            Image.fromarray(labels).save(root / split / "labels" / f"{i}.png")
    return root
