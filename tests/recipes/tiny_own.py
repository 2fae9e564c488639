"""A newcomer's folders: a few photographs with labels in the usual formats."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.recipes.tiny_coco import HEIGHT, WIDTH, boxes_of, instance_map, write_photo

CLASSES = {"grass": (0, 255, 0), "person": (255, 0, 0), "dog": (0, 0, 255)}


def write_masks(root: Path, count: int = 6, *, kind: str = "numbers") -> Path:
    """Photographs, masks of numbers, palette or colours, and the list of the classes."""
    for i in range(count):
        write_photo(root / "images" / f"{i}.jpg", i)
        write_mask(root / "masks" / f"{i}.png", instance_map(i), kind)
    lines = list(CLASSES)
    if kind == "colours":
        lines = [f"{name} {r} {g} {b}" for name, (r, g, b) in CLASSES.items()]
    (root / "classes.txt").write_text("\n".join(lines), encoding="utf-8")
    return root


def write_mask(path: Path, numbers: np.ndarray, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.array(list(CLASSES.values()), np.uint8)
    if kind == "colours":
        Image.fromarray(colours[numbers]).save(path)
    elif kind == "palette":
        image = Image.fromarray(numbers, "P")
        image.putpalette(colours.flatten().tolist())
        image.save(path)
    else:
        Image.fromarray(numbers).save(path)


def write_depth(root: Path, count: int = 6, *, kind: str = "png") -> Path:
    """Photographs with depth from 1 to 3 metres, as millimetres or as an array of metres."""
    for i in range(count):
        write_photo(root / "images" / f"{i}.jpg", i)
        (root / "depth").mkdir(exist_ok=True)
        metres = np.linspace(1, 3, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
        if kind == "png":
            Image.fromarray((1000 * metres).astype(np.uint16)).save(root / f"depth/{i}.png")
        else:
            np.save(root / f"depth/{i}.npy", metres)
    return root


def write_coco_boxes(root: Path, count: int = 6, **of_every_object) -> Path:
    """Photographs, and boxes of classes 7 and 90 in COCO's JSON, without masks."""
    objects = []
    for i in range(count):
        write_photo(root / "photos" / f"{i}.jpg", i)
        objects += [
            {"id": len(objects) + n, "image_id": 100 + i, "category_id": (7, 90)[n],
             "bbox": [left, top, right - left, bottom - top], **of_every_object}
            for n, (top, left, bottom, right) in enumerate(boxes_of(i))
        ]  # fmt: skip
    images = [
        {"id": 100 + i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH}
        for i in range(count)
    ]
    categories = [{"id": 90, "name": "dog"}, {"id": 7, "name": "person"}]
    document = {"images": images, "annotations": objects, "categories": categories}
    (root / "boxes.json").write_text(json.dumps(document), encoding="utf-8")
    return root


def write_voc(root: Path, count: int = 6) -> Path:
    """Photographs, and boxes in Pascal VOC's XML, whose pixels count from 1."""
    (root / "Annotations").mkdir(parents=True)
    for i in range(count):
        write_photo(root / "JPEGImages" / f"{i}.jpg", i)
        objects = "".join(
            f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin>"
            f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for name, (top, left, bottom, right) in zip(("person", "dog"), boxes_of(i), strict=True)
        )
        text = (
            f"<annotation><filename>{i}.jpg</filename><size><width>{WIDTH}</width>"
            f"<height>{HEIGHT}</height><depth>3</depth></size>{objects}</annotation>"
        )
        (root / "Annotations" / f"{i}.xml").write_text(text, encoding="utf-8")
    return root


def write_yolo(root: Path, count: int = 6) -> Path:
    """Photographs, and boxes as class, centre and size in shares of the image."""
    (root / "labels").mkdir(parents=True)
    for i in range(count):
        write_photo(root / "images" / f"{i}.jpg", i)
        lines = [
            f"{n} {(left + right) / 2 / WIDTH} {(top + bottom) / 2 / HEIGHT} "
            f"{(right - left) / WIDTH} {(bottom - top) / HEIGHT}"
            for n, (top, left, bottom, right) in enumerate(boxes_of(i))
        ]
        (root / "labels" / f"{i}.txt").write_text("\n".join(lines), encoding="utf-8")
    (root / "data.yaml").write_text("names: {0: person, 1: dog}\n", encoding="utf-8")
    return root
