"""Tiny photographs of people, a dog and a meadow, in the layouts of Penn-Fudan and COCO."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from unstride.formats.coco_panoptic import write_panoptic
from unstride.formats.segments import (
    Category,
    Segment,
)

HEIGHT, WIDTH = 64, 80
BOXES = ((6, 8, 40, 34), (20, 44, 60, 72))  # rows and columns of two objects: top, left, ...
CATEGORIES = [Category(1, "person", True), Category(18, "dog", True), Category(193, "grass", False)]


def boxes_of(i: int) -> list[tuple[int, int, int, int]]:
    """The boxes of the i-th photograph."""
    return [(top + i % 3, left + i % 4, bottom, right) for top, left, bottom, right in BOXES]


def instance_map(i: int) -> np.ndarray:
    """0, and 1 and 2 in the boxes."""
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, (top, left, bottom, right) in enumerate(boxes_of(i), 1):
        found[top:bottom, left:right] = number
    return found


def write_photo(path: Path, i: int) -> None:
    """A noisy meadow with two boxes of other colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.array([(40, 120, 40), (200, 60, 60), (60, 60, 200)], np.uint8)
    noise = np.random.default_rng(i).integers(0, 30, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(colours[instance_map(i)] + noise).save(path)


def write_pennfudan(root: Path, count: int = 7) -> Path:
    """Two pedestrians in each photograph; of seven, three are trained on and two are val."""
    for i in range(count):
        write_photo(root / "images" / f"P{i}.png", i)
        (root / "masks").mkdir(exist_ok=True)
        Image.fromarray(instance_map(i)).save(root / "masks" / f"P{i}.png")
    return root


def write_coco(root: Path, count: int = 3, categories=CATEGORIES) -> Path:
    """A person and a dog in each photograph, as objects, and as segments on grass."""
    for split in ("train", "val"):
        home = root / f"{split}2017"
        for i in range(1, count + 1):
            write_photo(home / "images" / f"{i}.png", i)
        results = {
            str(i): (torch.from_numpy(instance_map(i)).long() + 5, SEGMENTS)
            for i in range(1, count + 1)
        }
        write_panoptic(home / "panoptic", results, categories)
        (home / "instances.json").write_text(
            json.dumps(instances_json(count, categories)), encoding="utf-8"
        )
    return root


SEGMENTS = [Segment(5, 193), Segment(6, 1), Segment(7, 18)]


def instances_json(count: int, categories=CATEGORIES) -> dict:
    """An instances file; the dog of the first photograph is a crowd."""
    annotations = [
        {
            "id": 10 * i + n, "image_id": i, "category_id": (1, 18)[n], "iscrowd": int(i == n == 1),
            "bbox": [left, top, right - left, bottom - top],
            "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
            "area": (right - left) * (bottom - top),
        }
        for i in range(1, count + 1)
        for n, (top, left, bottom, right) in enumerate(boxes_of(i))
    ]  # fmt: skip
    images = [
        {"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH}
        for i in range(1, count + 1)
    ]
    things = [{"id": c.id, "name": c.name} for c in categories if c.is_thing]
    return {"images": images, "annotations": annotations, "categories": things}
