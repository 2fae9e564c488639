"""COCO's panoptic format: a PNG of segment ids, and JSON that says what each segment is.

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

MAX_SEGMENT_ID = 256**3 - 1  # the largest id that three bytes hold


def read_segment_ids(path: str | Path, size: tuple[int, int] | None = None) -> Int64[Tensor, "h w"]:
    """The segment ids in a panoptic PNG; 0 is void.

    Args:
        path: of the PNG.
        size: (height, width) of the photograph it belongs to; None for any.

    Raises:
        ValueError: if it is damaged, not RGB, or of another size.
        FileNotFoundError: if there is no such file.
    """
    with open_image(path) as image:
        if image.mode != "RGB" or (size is not None and image.size != (size[1], size[0])):
            wanted = "" if size is None else f" of {size[1]} x {size[0]} pixels"
            raise ValueError(
                f"{path}: a panoptic PNG is RGB{wanted}; this one is {image.mode}, "
                f"{image.size[0]} x {image.size[1]}"
            )
        colours = torch.from_numpy(np.array(image).astype(np.int64))
    return colours @ torch.tensor([1, 256, 65536])


def write_segment_ids(path: str | Path, ids: Int64[Tensor, "h w"]) -> None:
    """Writes a panoptic PNG, whole or not at all.

    Raises:
        ValueError: if an id is below 0 or does not fit into three bytes.
    """
    from PIL import Image

    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) <= MAX_SEGMENT_ID:
        raise ValueError(
            f"{path}: ids {int(ids.min())} to {int(ids.max())}, outside 0..{MAX_SEGMENT_ID}"
        )
    bytes_ = torch.stack([ids % 256, ids // 256 % 256, ids // 65536], -1)
    with atomic_path(Path(path)) as beside:
        Image.fromarray(bytes_.cpu().numpy().astype(np.uint8)).save(beside, format="PNG")


def read_categories(path: Path, document: Mapping[str, Any]) -> list[Category]:
    """The categories of a COCO file, in its order; without `isthing` all are things.

    Raises:
        ValueError: if one lacks its id or name, or two have the same id.
    """
    found = []
    for entry in object_list(path, document, "categories"):
        is_thing = bool(typed_field(path, {"isthing": 1, **entry}, "isthing", int))
        number, name = typed_field(path, entry, "id", int), typed_field(path, entry, "name", str)
        found.append(Category(number, name, is_thing))
    if len({c.id for c in found}) != len(found):
        raise ValueError(f"{path}: two categories have the same id")
    return found


def read_panoptic_json(path: Path) -> tuple[dict[str, list[Segment]], list[Category]]:
    """The segments of each PNG that a panoptic JSON names, and its categories.

    Raises:
        ValueError: if the file is no such JSON, or a segment is of no category.
        FileNotFoundError: if there is no such file.
    """
    document = read_json(path)
    categories = read_categories(path, document)
    known = {c.id for c in categories}
    found: dict[str, list[Segment]] = {}
    for annotation in object_list(path, document, "annotations"):
        name = typed_field(path, annotation, "file_name", str)
        found[name] = [
            Segment(
                typed_field(path, s, "id", int),
                typed_field(path, s, "category_id", int),
                bool(typed_field(path, {"iscrowd": 0, **s}, "iscrowd", int)),
            )
            for s in object_list(path, annotation, "segments_info")
        ]
        for segment in found[name]:
            if segment.category not in known:
                raise ValueError(f"{path}: {segment.category} in {name} is no category of the file")
    return found, categories


def write_panoptic(
    folder: str | Path,
    results: Mapping[str, tuple[Int64[Tensor, "h w"], Sequence[Segment]]],
    categories: Sequence[Category],
) -> None:
    """Writes FOLDER/NAME.png for each image and FOLDER.json beside the folder.

    An image's number is that of `coco_image_ids`.

    Args:
        folder: made if need be.
        results: segment ids and segments of each image, by its name without suffix.
        categories: that the segments may be of.

    Raises:
        ValueError: if the ids of a map and of its segments differ, or an id does not fit.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    numbers = coco_image_ids(list(results))
    for number, (name, (ids, segments)) in zip(numbers, results.items(), strict=True):
        check_segments(ids, segments, name)
        write_segment_ids(folder / f"{name}.png", ids)
        height, width = ids.shape
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        written = segments_info(ids, segments)
        annotations.append(
            {"image_id": number, "file_name": f"{name}.png", "segments_info": written}
        )
    document = panoptic_json(images, annotations, categories)
    atomic_write_text(Path(f"{folder}.json"), json.dumps(document))


def coco_image_ids(names: Sequence[str]) -> list[int]:
    """The names as numbers, if they are as COCO's are: different ones; else places from 1."""
    if all(name.isdecimal() for name in names) and len(set(map(int, names))) == len(names):
        return [int(name) for name in names]
    return list(range(1, len(names) + 1))


def panoptic_json(
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    categories: Sequence[Category],
) -> dict[str, Any]:
    """What COCO's panoptic JSON holds.

    Args:
        images: `id`, `file_name`, `height` and `width` of each.
        annotations: `image_id`, `file_name` of the PNG and `segments_info` of each.
        categories: that the segments may be of.
    """
    named = [{"id": c.id, "name": c.name, "isthing": int(c.is_thing)} for c in categories]
    return {"images": images, "annotations": annotations, "categories": named}
