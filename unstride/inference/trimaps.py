"""Finds the trimap of each image, or makes it from a mask, a box or a prediction."""

from dataclasses import dataclass
from pathlib import Path

import torch

from unstride.formats.masks import load_mask
from unstride.formats.trimap import BACKGROUND, FOREGROUND, load_trimap
from unstride.inference.matched_file import matched_file
from unstride.inference.predicted_object import predicted_object, prediction_record
from unstride.saving.fingerprint import file_fingerprint
from unstride.transforms.trimap import Trimap, trimap_from_mask


@dataclass(frozen=True)
class Trimaps:
    """Finds or makes the trimap of each image.

    Args:
        path: a trimap for all images, or a folder with one of the same name for each.
        masks: the same for rough masks.
        box: left, top, right and bottom of the object, in pixels.
        predictions: output folder of `unstride predict`.
        category: of the objects in predictions.
        margin: pixels on both sides of a mask's border that are unknown.
    """

    path: Path | None
    masks: Path | None
    box: tuple[int, int, int, int] | None
    predictions: Path | None
    category: str
    margin: int

    def made_from(self, image_path: Path) -> dict[str, str]:
        """What the trimap of an image is made from, for its record."""
        if self.path is not None:
            return {"trimap": file_fingerprint(matched_file(self.path, image_path, "trimap"))}
        if self.masks is not None:
            source = file_fingerprint(matched_file(self.masks, image_path, "mask"))
        elif self.predictions is not None:
            record = prediction_record(self.predictions, image_path.stem)
            source = f"{self.category} {file_fingerprint(record)}"
        else:
            source = str(self.box)
        return {"trimap": f"{source} {self.margin}"}

    def read(self, image_path: Path, size: tuple[int, int]) -> Trimap:
        """The trimap of an image of this size.

        Raises:
            ValueError: if it cannot be read, or nothing of it is known.
        """
        if self.path is not None:
            return load_trimap(matched_file(self.path, image_path, "trimap"), size)
        if self.masks is not None:
            mask_file = matched_file(self.masks, image_path, "mask")
            is_object = load_mask(mask_file, size, threshold=128)
        elif self.predictions is not None:
            is_object = predicted_object(self.predictions, image_path.stem, size, self.category)
        else:
            assert self.box is not None
            left, top, right, bottom = self.box
            is_object = torch.zeros(size, dtype=torch.bool)
            is_object[top:bottom, left:right] = True
        trimap = trimap_from_mask(is_object, self.margin)
        for value, name in ((FOREGROUND, "object"), (BACKGROUND, "background")):
            if not (trimap == value).any():
                raise ValueError(f"no {name} is left beyond a margin of {self.margin} pixels")
        return trimap


def parse_box(text: str) -> tuple[int, int, int, int]:
    """Parse "left,top,right,bottom" in pixels.

    Raises:
        ValueError: if the text is anything else, or the box is empty.
    """
    try:
        left, top, right, bottom = (int(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"from_box must be LEFT,TOP,RIGHT,BOTTOM, got {text!r}") from None
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"from_box must hold pixels, got {text!r}")
    return left, top, right, bottom
