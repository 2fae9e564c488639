"""Reads masks of classes: images of class numbers, palette images, or images of class colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from unstride.formats.class_list import ListedClass
from unstride.formats.images import open_image
from unstride.formats.labels import LABEL_MODES, UNLABELLED, check_label_size

COLOUR_MODES = ("RGB", "RGBA")
RED_GREEN_BLUE = torch.tensor([65536, 256, 1])  # makes one number of a colour


def load_class_mask(
    path: Path, listed: Sequence[ListedClass], size: tuple[int, int] | None = None
) -> Int64[Tensor, "h w"]:
    """Read the class of each pixel, counted from 0 in the order of the list, or UNLABELLED.

    A mask of one channel has class numbers; of a palette image, the indices count. A mask of
    colours has those of the list; if the list has none, all channels must be the class number.
    Pixels of classes that are called void, ignore or unlabelled are UNLABELLED, and so are those
    of number 255 if no class has it.

    Args:
        path: image file with exact colours, usually a PNG.
        listed: the classes of `read_class_list`.
        size: (height, width) of the image that it belongs to. Default: any size is accepted.

    Raises:
        ValueError: if the file is damaged or of another size, or has a number or colour that no
            class has.
        FileNotFoundError: if there is no such file.
    """
    with open_image(path) as image:
        if image.mode not in (*LABEL_MODES, "1", *COLOUR_MODES):
            raise ValueError(f"{path}: a mask must have class numbers or RGB, got {image.mode}")
        pixels = torch.from_numpy(np.array(image).astype(np.int64))
    check_label_size(path, pixels, size)
    has_colours = any(c.colour is not None for c in listed)
    if pixels.ndim == 2:
        return _classes_of(path, pixels, _class_of_number(listed), str)
    if has_colours:
        return _classes_of(
            path, pixels[:, :, :3] @ RED_GREEN_BLUE, _class_of_colour(listed), _colour_text
        )
    if (pixels[:, :, :3] != pixels[:, :, :1]).any():
        raise ValueError(f"{path}: a mask of colours needs a list of classes with their colours")
    return _classes_of(path, pixels[:, :, 0], _class_of_number(listed), str)


def class_names(listed: Sequence[ListedClass]) -> tuple[str, ...]:
    """The names of the classes that pixels can have, in order."""
    return tuple(c.name for c in listed if not c.is_unlabelled)


def _class_of_number(listed: Sequence[ListedClass]) -> dict[int, int]:
    names = class_names(listed)
    return {UNLABELLED: UNLABELLED} | {
        c.number: UNLABELLED if c.is_unlabelled else names.index(c.name) for c in listed
    }


def _class_of_colour(listed: Sequence[ListedClass]) -> dict[int, int]:
    names = class_names(listed)
    return {
        int(torch.tensor(c.colour) @ RED_GREEN_BLUE): (
            UNLABELLED if c.is_unlabelled else names.index(c.name)
        )
        for c in listed
    }


def _classes_of(path: Path, values: Tensor, class_of_value: dict[int, int], text) -> Tensor:
    """Replace each value by its class."""
    present, positions = values.unique(return_inverse=True)
    unknown = [value for value in present.tolist() if value not in class_of_value]
    if unknown:
        share = float((values == unknown[0]).float().mean())
        others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise ValueError(
            f"{path}: {text(unknown[0])}{others} ({share:.1%} of the pixels) is not in the list of "
            "classes"
        )
    return torch.tensor([class_of_value[value] for value in present.tolist()])[positions]


def _colour_text(value: int) -> str:
    return f"colour {value // 65536} {value // 256 % 256} {value % 256}"
