"""Replaces some pixels of an image file; all others, its mode and its metadata stay as they are.

Pixels keep their order in the file: an image whose EXIF orientation turns it is edited upright and
turned back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from unstride.formats.images import open_image, rgb_tensor

PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
MODES = PNG_MODES | {"CMYK", "I", "F"}
GREY_STEPS = {"I;16": 65535, "I": 65535, "F": 1}  # of modes that hold more than 8 bits
METADATA = "icc_profile", "transparency", "dpi"
ORIENTATION = 0x0112
# What makes an image of an orientation upright, by Pillow's numbers of `Image.Transpose`.
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
SUB_FOLDERS = 0x8769, 0x8825  # of EXIF: the camera's settings, and the place
# Tags of TIFF that say how pixels are stored; the others describe the image.
STORAGE = {
    254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324,
    325, 330, 338, 339, 347, 530, 531, 532, 34675,
}  # fmt: skip


@dataclass(frozen=True)
class EditableImage:
    """The pixels of a file, as it holds them.

    Args:
        image: the Pillow image, not turned.
        orientation: how EXIF says that it is to be turned, 1 to 8.
        metadata: what is written with it.
        rgb: the upright image in [0, 1].
    """

    image: Any
    orientation: int
    metadata: dict[str, Any]
    rgb: Float[Tensor, "1 3 h w"]

    @property
    def suffix(self) -> str:
        """Of the format in which the image is written without loss."""
        return ".png" if self.image.mode in PNG_MODES else ".tif"

    def replaced(self, rgb: Float[Tensor, "1 3 h w"], region: Bool[Tensor, "h w"]) -> Any:
        """A Pillow image in which the pixels of a region are replaced.

        A palette stays: its nearest colours are taken. Alpha stays.

        Args:
            rgb: the upright new image in [0, 1].
            region: the upright region.
        """
        from PIL import Image

        is_inside = self._turned_back(Image.fromarray(region.cpu().numpy()))
        if steps := GREY_STEPS.get(self.image.mode):
            grey = Image.fromarray(rgb[0].mean(0).clamp(0, 1).cpu().numpy() * np.float32(steps))
            new = np.asarray(self._turned_back(grey))
            pixels, where = np.array(self.image), np.asarray(is_inside)
            new = new if self.image.mode == "F" else np.round(new)
            pixels[where] = new[where].astype(pixels.dtype)
            return Image.fromarray(pixels)
        array = (rgb[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        result = self.image.copy()
        result.paste(self._in_mode(self._turned_back(Image.fromarray(array))), mask=is_inside)
        return result

    def write(self, path: Path, image: Any) -> None:
        """Write a Pillow image with the file's metadata, without loss."""
        image.save(path, format="PNG" if self.suffix == ".png" else "TIFF", **self.metadata)

    def _in_mode(self, image: Any) -> Any:
        """An RGB image in the file's mode, with the file's alpha."""
        from PIL import Image

        mode = self.image.mode
        if mode == "P":
            return image.quantize(palette=self.image, dither=Image.Dither.NONE)
        if mode not in ("LA", "RGBA"):
            return image.convert(mode, dither=Image.Dither.NONE)
        converted = image.convert(mode.removesuffix("A"))
        converted.putalpha(self.image.getchannel("A"))
        return converted

    def _turned_back(self, image: Any) -> Any:
        """An upright image, as the file holds it."""
        return turned_back(image, self.orientation)


def load_editable(path: str | Path) -> EditableImage:
    """Load an image to replace some of its pixels.

    Raises:
        ValueError: if the file is not an image, damaged, empty or too large, has several frames, or
            a mode that cannot be edited.
        FileNotFoundError: if there is no such file.
    """
    from PIL import Image

    path = Path(path)
    with open_image(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise ValueError(f"{path}: has {image.n_frames} frames, only single images are edited")
        orientation, exif = image.getexif().get(ORIENTATION, 1), _exif(image)
        is_turned_by_pillow = image.format == "TIFF"
        image.load()
        if is_turned_by_pillow:
            image = _with_info(turned_back(image, orientation), image)
        if image.mode.startswith("I;16"):
            image = _with_info(Image.fromarray(np.asarray(image).astype(np.uint16)), image)
        if image.mode not in MODES:
            raise ValueError(
                f"{path}: mode must be one of {', '.join(sorted(MODES))}, got {image.mode}"
            )
        metadata = {key: image.info[key] for key in METADATA if key in image.info}
        if exif:
            metadata["exif"] = exif
        rgb = rgb_tensor(_with_info(turned(image, orientation), image), path)
    return EditableImage(image, orientation, metadata, rgb)


def turned(image: Any, orientation: int) -> Any:
    """A Pillow image, turned upright as EXIF's orientation says."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def turned_back(image: Any, orientation: int) -> Any:
    """An upright Pillow image, turned so that EXIF's orientation makes it upright."""
    inverse = {6: TURNS.get(8), 8: TURNS.get(6)}.get(orientation, TURNS.get(orientation))
    return image if inverse is None else image.transpose(inverse)


def _exif(image: Any) -> Any:
    """The EXIF data of an image: as it is in the file, or of TIFF what does not concern storage."""
    from PIL import Image

    if "exif" in image.info:
        return image.info["exif"]
    found, kept = image.getexif(), Image.Exif()
    for tag, value in found.items():
        if tag not in STORAGE and tag not in SUB_FOLDERS:
            kept[tag] = value
    for folder in SUB_FOLDERS:
        if entries := found.get_ifd(folder):
            kept.get_ifd(folder).update(entries)
    return kept


def _with_info(image: Any, source: Any) -> Any:
    """A Pillow image with another one's info, such as the transparent colour."""
    image.info = source.info
    return image
