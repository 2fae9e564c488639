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
METADATA = "exif", "icc_profile", "transparency", "dpi"


@dataclass(frozen=True)
class EditableImage:
    """The pixels of a file, as it holds them.

    Args:
        image: the Pillow image, not turned.
        metadata: what is written with it.
        rgb: the upright image in [0, 1].
    """

    image: Any
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
        from PIL import Image

        turn = Image.Transpose
        inverse = {
            2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM,
            5: turn.TRANSPOSE, 6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270,
        }  # fmt: skip
        orientation = self.image.getexif().get(0x0112, 1)
        return image.transpose(inverse[orientation]) if orientation in inverse else image


def load_editable(path: str | Path) -> EditableImage:
    """Load an image to replace some of its pixels.

    Raises:
        ValueError: if the file is not an image, damaged, empty or too large, has several frames, or
            a mode that cannot be edited.
        FileNotFoundError: if there is no such file.
    """
    from PIL import ImageOps

    path = Path(path)
    with open_image(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise ValueError(f"{path}: has {image.n_frames} frames, only single images are edited")
        image.load()
        if image.mode.startswith("I;16"):
            image = _in_native_order(image)
        if image.mode not in MODES:
            raise ValueError(
                f"{path}: mode must be one of {', '.join(sorted(MODES))}, got {image.mode}"
            )
        metadata = {key: image.info[key] for key in METADATA if key in image.info}
        rgb = rgb_tensor(ImageOps.exif_transpose(image), path)
    return EditableImage(image, metadata, rgb)


def _in_native_order(image: Any) -> Any:
    """A 16-bit image in this machine's order of bytes, with its metadata."""
    from PIL import Image

    native = Image.fromarray(np.asarray(image).astype(np.uint16))
    native.info = image.info
    return native
