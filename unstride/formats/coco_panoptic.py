"""Reads and writes COCO's panoptic format: a PNG of segment ids, and JSON with their categories.

https://cocodataset.org/#format-data, section 4. A pixel's id is R + 256 G + 65536 B; 0 is void.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from unstride.formats.atomic_write import atomic_path, atomic_write_text
from unstride.formats.images import open_image
from unstride.formats.json import object_list, read_json, typed_field
from unstride.formats.segments import Category, Segment, check_segments, segments_info

MAX_SEGMENT_ID = 256**3 - 1  # the largest id that fits into three bytes


def read_segment_ids(path: str | Path, size: tuple[int, int] | None = None) -> Int64[Tensor, "h w"]:
    """Read the segment ids in a panoptic PNG; 0 is void.

    Args:
        path: PNG file.
        size: (height, width) of the image that it belongs to. Default: any size is accepted.

    Raises:
        ValueError: if the file is damaged, not RGB, or of another size.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    with open_image(path) as image:
        if image.mode != "RGB" or (size is not None and image.size != (size[1], size[0])):
            expected_size = "" if size is None else f" of {size[1]} x {size[0]} pixels"
            raise ValueError(
                f"{path}: expected an RGB image{expected_size}, got {image.mode} "
                f"of {image.size[0]} x {image.size[1]} pixels"
            )
        colours = torch.from_numpy(np.array(image).astype(np.int64))
    return colours @ torch.tensor([1, 256, 65536])


def write_segment_ids(path: str | Path, ids: Int64[Tensor, "h w"]) -> None:
    """Write a panoptic PNG atomically.

    Raises:
        ValueError: if an id is below 0 or does not fit into three bytes.
    """
    from PIL import Image

    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) <= MAX_SEGMENT_ID:
        raise ValueError(
            f"{path}: ids must be in 0..{MAX_SEGMENT_ID}, got {int(ids.min())} to {int(ids.max())}"
        )
    colours = torch.stack([ids % 256, ids // 256 % 256, ids // 65536], -1)
    with atomic_path(Path(path)) as temporary_path:
        Image.fromarray(colours.cpu().numpy().astype(np.uint8)).save(temporary_path, format="PNG")


def read_categories(path: Path, content: Mapping[str, Any]) -> list[Category]:
    """Parse the categories of a COCO file, in its order. Without `isthing`, all are things.

    Args:
        path: the file, for error messages.
        content: its parsed JSON object.

    Raises:
        ValueError: if a category lacks its id or name, or two have the same id.
    """
    categories = []
    for record in object_list(path, content, "categories"):
        is_thing = bool(typed_field(path, {"isthing": 1, **record}, "isthing", int))
        category_id = typed_field(path, record, "id", int)
        name = typed_field(path, record, "name", str)
        categories.append(Category(category_id, name, is_thing))
    if len({c.id for c in categories}) != len(categories):
        raise ValueError(f"{path}: two categories have the same id")
    return categories


def read_panoptic_json(path: Path) -> tuple[dict[str, list[Segment]], list[Category]]:
    """Read a panoptic JSON file: the segments of each PNG that it names, and its categories.

    Raises:
        ValueError: if the file is not such JSON, or a segment's category is not in it.
        FileNotFoundError: if there is no such file.
    """
    content = read_json(path)
    categories = read_categories(path, content)
    category_ids = {c.id for c in categories}
    segments_of_file: dict[str, list[Segment]] = {}
    for annotation in object_list(path, content, "annotations"):
        name = typed_field(path, annotation, "file_name", str)
        segments = [
            Segment(
                typed_field(path, record, "id", int),
                typed_field(path, record, "category_id", int),
                bool(typed_field(path, {"iscrowd": 0, **record}, "iscrowd", int)),
            )
            for record in object_list(path, annotation, "segments_info")
        ]
        for segment in segments:
            if segment.category_id not in category_ids:
                raise ValueError(
                    f"{path}: category {segment.category_id} in {name} is not listed in the file"
                )
        segments_of_file[name] = segments
    return segments_of_file, categories


def write_panoptic(
    folder: str | Path,
    segmentations: Mapping[str, tuple[Int64[Tensor, "h w"], Sequence[Segment]]],
    categories: Sequence[Category],
) -> None:
    """Write FOLDER/NAME.png for each image, and FOLDER.json beside the folder.

    The ids of the images are those of `coco_image_ids`.

    Args:
        folder: output folder. Created if it does not exist.
        segmentations: segment ids and segments of each image, by its name without suffix.
        categories: all categories that segments may have.

    Raises:
        ValueError: if the ids of a map and of its segments differ, or an id does not fit.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    image_ids = coco_image_ids(list(segmentations))
    for image_id, (name, (ids, segments)) in zip(image_ids, segmentations.items(), strict=True):
        check_segments(ids, segments, name)
        write_segment_ids(folder / f"{name}.png", ids)
        height, width = ids.shape
        images.append({"id": image_id, "file_name": name, "height": height, "width": width})
        infos = segments_info(ids, segments)
        annotations.append(
            {"image_id": image_id, "file_name": f"{name}.png", "segments_info": infos}
        )
    content = panoptic_json(images, annotations, categories)
    atomic_write_text(Path(f"{folder}.json"), json.dumps(content))


def coco_image_ids(names: Sequence[str]) -> list[int]:
    """Return the names as numbers if they are different numbers, as COCO's are; else 1, 2, ..."""
    if all(name.isdecimal() for name in names) and len(set(map(int, names))) == len(names):
        return [int(name) for name in names]
    return list(range(1, len(names) + 1))


def panoptic_json(
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    categories: Sequence[Category],
) -> dict[str, Any]:
    """Build the content of COCO's panoptic JSON.

    Args:
        images: `id`, `file_name`, `height` and `width` of each.
        annotations: `image_id`, `file_name` of the PNG and `segments_info` of each.
        categories: all categories that segments may have.
    """
    records = [{"id": c.id, "name": c.name, "isthing": int(c.is_thing)} for c in categories]
    return {"images": images, "annotations": annotations, "categories": records}
