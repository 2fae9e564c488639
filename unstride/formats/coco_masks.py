"""Decodes and encodes COCO's three mask formats: polygons, RLE and compressed RLE.

The only module that uses faster-coco-eval. Run lengths (RLE) go down the columns and alternate
between outside and inside. They sum to height x width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from unstride.formats.errors import first_line

MAX_COORDINATE = 1e6  # of a polygon, in pixels; larger ones are taken for damage


def decode_mask(segmentation: Any, size: tuple[int, int]) -> Bool[Tensor, "h w"]:
    """Decode the `segmentation` of a COCO annotation into a mask.

    Args:
        segmentation: polygons as lists of x, y in pixels, or an object with `size` and `counts`,
            where counts is a list of run lengths or a compressed string.
        size: (height, width) of the image.

    Raises:
        ValueError: if it is neither, or the runs do not fit the size.
    """
    from faster_coco_eval.core import mask as coco

    if isinstance(segmentation, list):
        if not segmentation:
            return torch.zeros(size, dtype=torch.bool)
        polygons = [_checked_polygon(p) for p in segmentation]
        with _decoding("polygons"):
            rle = coco.merge(coco.frPyObjects(polygons, *size))
            return torch.from_numpy(coco.decode(rle)).bool()
    if not isinstance(segmentation, dict) or segmentation.get("size") != list(size):
        raise ValueError(
            f"segmentation must be polygons or runs for an image of {size[1]} x {size[0]} pixels"
        )
    rle = dict(segmentation)
    if not isinstance(rle.get("counts"), str):
        _check_runs(rle.get("counts"), size)
    with _decoding("runs"):
        if not isinstance(rle["counts"], str):
            rle = coco.frPyObjects([rle], *size)[0]
        return torch.from_numpy(coco.decode(rle)).bool()


@contextmanager
def _decoding(what: str) -> Iterator[None]:
    """Turn whatever faster-coco-eval raises into a ValueError."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"damaged {what}: {first_line(error)}") from None


def encode_mask(mask: Bool[Tensor, "h w"]) -> dict[str, Any]:
    """Encode a mask as compressed RLE, the form of COCO's result files."""
    from faster_coco_eval.core import mask as coco

    rle = coco.encode(np.asfortranarray(mask.cpu().numpy().astype(np.uint8)))
    counts = rle["counts"]
    return {
        "size": [int(n) for n in mask.shape],
        "counts": counts.decode() if isinstance(counts, bytes) else counts,
    }


def _checked_polygon(points: Any) -> list[float]:
    are_numbers = isinstance(points, list) and all(
        isinstance(v, int | float) and abs(v) < MAX_COORDINATE for v in points
    )
    if not are_numbers or len(points) < 6 or len(points) % 2:
        raise ValueError("a polygon must be a list of three or more points x, y")
    return [float(v) for v in points]


def _check_runs(counts: Any, size: tuple[int, int]) -> None:
    if not isinstance(counts, list) or not all(isinstance(n, int) and n >= 0 for n in counts):
        raise ValueError("runs must be whole numbers of at least 0")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"runs sum to {sum(counts)} pixels, but the image has {size[0] * size[1]}")
