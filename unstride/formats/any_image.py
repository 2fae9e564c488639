"""Converts tensors, arrays and Pillow images to RGB tensors in [0, 1], the form used inside.

The range follows from the type of the numbers, never from their values: uint8 is divided by 255,
uint16 by 65535, and floating-point numbers are in [0, 1] already. Networks check that they are.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unstride.formats.errors import naming_file
from unstride.formats.images import rgb_tensor

CHANNELS = 1, 3, 4  # grey, RGB, RGB with alpha
MAXIMUM = {torch.uint8: 255, torch.uint16: 65535}


def as_image(
    image: Any, device: torch.device | None = None, *, name: str = "image"
) -> Float[Tensor, "b 3 h w"]:
    """Convert an image to RGB in [0, 1]; transparent pixels become white, grey becomes RGB.

    A floating-point RGB batch is returned as it is, and gradients flow through any tensor.

    Args:
        image: one of

            - a tensor (channels, height, width), or a batch of them;
            - a numpy array (height, width), (height, width, channels), or a batch of the latter;
            - a Pillow image in any mode, which is turned upright as EXIF says.

            Tensors and arrays have 1, 3 or 4 channels: grey, RGB, or RGB and alpha. Their numbers
            are uint8, uint16 or floating-point in [0, 1].
        device: where arrays and Pillow images are moved. Tensors stay where they are.
        name: of the argument, for error messages.

    Raises:
        ValueError: if it is nothing of the above, or has no pixels. Values are not read.
    """
    if isinstance(image, Tensor):
        return _from_tensor(image, name)
    if isinstance(image, np.ndarray):
        return _from_array(image, name).to(device)
    return _from_pillow(image, name).to(device)


def _from_tensor(image: Tensor, name: str) -> Tensor:
    if torch.jit.is_tracing():  # the tracer warns of every look at a size
        return image
    shape = tuple(image.shape)
    if len(shape) not in (3, 4) or shape[-3] not in CHANNELS:
        is_channels_last = len(shape) == 3 and shape[2] in CHANNELS
        hint = ": permute(2, 0, 1) moves the channels to the front" if is_channels_last else ""
        raise ValueError(
            f"{name} must be a tensor (3, height, width) or (batch, 3, height, width), "
            f"got {shape}{hint}"
        )
    return _rgb(image if len(shape) == 4 else image[None], name)


def _from_array(array: np.ndarray, name: str) -> Tensor:
    shape, dtype = array.shape, array.dtype
    if len(shape) not in (2, 3, 4) or (len(shape) != 2 and shape[-1] not in CHANNELS):
        is_channels_first = len(shape) == 3 and shape[0] in CHANNELS
        hint = ": transpose(1, 2, 0) moves the channels to the end" if is_channels_first else ""
        raise ValueError(f"{name} must be an array (height, width, 3), got {shape}{hint}")
    if dtype.kind != "f" and dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise ValueError(_wrong_type(name, dtype))
    native = np.float32 if dtype.kind == "f" else dtype.newbyteorder("=")
    # Copied, as torch takes neither negative strides nor the byte order of another machine.
    values = torch.from_numpy(np.array(array, native, order="C"))
    return _from_tensor(values[None] if len(shape) == 2 else values.movedim(-1, -3), name)


def _from_pillow(image: Any, name: str) -> Tensor:
    from PIL import Image, ImageOps

    if not isinstance(image, Image.Image):
        is_path = isinstance(image, str | Path)
        hint = ": read it with unstride.load_image" if is_path else ""
        raise ValueError(
            f"{name} must be a tensor, a numpy array or a Pillow image, "
            f"got a {type(image).__name__}{hint}"
        )
    if 0 in image.size:
        raise ValueError(_without_pixels(name, image.size[::-1]))
    source = Path(getattr(image, "filename", "") or name)
    with naming_file(source, "cannot be converted to RGB"):
        return rgb_tensor(ImageOps.exif_transpose(image), source)


def _rgb(image: Tensor, name: str) -> Tensor:
    """A batch with 1, 3 or 4 channels as RGB in [0, 1]."""
    if 0 in image.shape[2:]:
        raise ValueError(_without_pixels(name, tuple(image.shape[2:])))
    if not image.is_floating_point():
        if image.dtype not in MAXIMUM:
            raise ValueError(_wrong_type(name, image.dtype))
        image = image.float() / MAXIMUM[image.dtype]
    if image.shape[1] == 4:
        colours, alpha = image[:, :3], image[:, 3:]
        return colours * alpha + (1 - alpha)
    return image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image


def _wrong_type(name: str, dtype: Any) -> str:
    return f"{name} must be uint8, uint16 or floating-point in [0, 1], got {dtype}"


def _without_pixels(name: str, size: tuple[int, ...]) -> str:
    return f"{name} must have pixels, got {size[0]} x {size[1]}"
