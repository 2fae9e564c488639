"""COCO's three spellings of a mask (polygons, runs, packed runs): faster-coco-eval's one door.

Runs are lengths down the columns, outside and inside by turns: counts sum to height x width.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

Size = tuple[int, int]


def decode_mask(segmentation: Any, size: Size) -> Bool[Tensor, "h w"]:
    """The mask that a COCO annotation spells.

    Args:
        segmentation: polygons as lists of x, y in pixels; or an object with `size` and `counts`,
            a list or a packed string.
        size: (height, width) of the image.

    Raises:
        ValueError: if it is neither, or its runs do not fit the size.
    """
    from faster_coco_eval.core import mask as coco

    if isinstance(segmentation, list):
        if not segmentation:
            return torch.zeros(size, dtype=torch.bool)
        runs = coco.merge(coco.frPyObjects([_checked_polygon(p) for p in segmentation], *size))
        return torch.from_numpy(coco.decode(runs)).bool()
    if not isinstance(segmentation, dict) or segmentation.get("size") != list(size):
        raise ValueError(f"neither polygons nor runs of an image of {size[1]} x {size[0]}")
    runs = dict(segmentation)
    if not isinstance(runs.get("counts"), str):
        runs = coco.frPyObjects([_checked_rle(runs, size)], *size)[0]
    try:
        return torch.from_numpy(coco.decode(runs)).bool()
    except (ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"damaged runs: {error}") from None


def encode_mask(mask: Bool[Tensor, "h w"]) -> dict[str, Any]:
    """The mask as packed runs, as COCO's result files have them."""
    from faster_coco_eval.core import mask as coco

    runs = coco.encode(np.asfortranarray(mask.cpu().numpy().astype(np.uint8)))
    counts = runs["counts"]
    return {
        "size": [int(n) for n in mask.shape],
        "counts": counts.decode() if isinstance(counts, bytes) else counts,
    }


def _checked_polygon(points: Any) -> list[float]:
    numbers = isinstance(points, list) and all(
        isinstance(v, int | float) and abs(v) < 1e6 for v in points
    )
    if not numbers or len(points) < 6 or len(points) % 2:
        raise ValueError("a polygon is a list of three or more points x, y")
    return [float(v) for v in points]


def _checked_rle(runs: dict[str, Any], size: Size) -> dict[str, Any]:
    counts = runs.get("counts")
    if not isinstance(counts, list) or not all(isinstance(n, int) and n >= 0 for n in counts):
        raise ValueError("runs are whole numbers from 0")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"runs of {sum(counts)} pixels in an image of {size[0] * size[1]}")
    return runs
