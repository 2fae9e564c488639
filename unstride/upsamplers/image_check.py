"""Checks images where they enter: in networks, and as guides of upsamplers made for images.

Shape and type are checked in every call. Values are checked by reading their minimum and maximum,
once, which costs less than normalising the image. It is left out where that would be wrong or slow:

- on a GPU, reading a value makes the program wait for the device. There, a module reads the values
  of its first images only: a pipeline that forgets to divide by 255 does so from the start;
- while `torch.compile`, `torch.export` or a tracer runs the code, there are no values;
- an image that requires a gradient is being computed or optimised, and may leave the range.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._subclasses import FakeTensor

from unstride.formats.any_image import as_image

MARGIN = 0.5  # how far values may leave [0, 1]; bicubic interpolation overshoots by up to 0.45


class ImageCheck:
    """Checks the images that one module is called with.

    Args:
        name: of the argument, for error messages.

    Attributes:
        reads_values: whether values are checked at all.
    """

    def __init__(self, name: str = "image"):
        self.name, self.reads_values, self.has_read_values = name, True, False

    def __call__(self, image: Any) -> None:
        """Check an image.

        Raises:
            ValueError: if it is not RGB, floating-point, finite and in [0, 1] with a margin.
        """
        check_image_shape(image, self.name)
        is_due = image.device.type == "cpu" or not self.has_read_values
        if self.reads_values and is_due and has_values(image):
            check_image_range(image, self.name)
            self.has_read_values = True


def accept_any_range(module: nn.Module) -> None:
    """Stop checking the values of images in a module, for guides that are no photographs."""
    for part in module.modules():
        if isinstance(check := vars(part).get("check_image"), ImageCheck):
            check.reads_values = False


def check_image(image: Any, name: str = "image") -> None:
    """Check the shape, the type and, on the CPU, the values of an image, for functions.

    Raises:
        ValueError: if it is not RGB, floating-point, finite and in [0, 1] with a margin.
    """
    check_image_shape(image, name)
    if image.device.type == "cpu" and has_values(image):
        check_image_range(image, name)


def as_checked_images(
    images: Sequence[Any], device: torch.device | None = None
) -> list[Float[Tensor, "_ 3 _ _"]]:
    """Convert a list of images and check all of them, before the work on the first begins.

    Args:
        images: as for `as_image`; they may differ in kind and size.
        device: where arrays and Pillow images are moved.

    Raises:
        ValueError: if one of them is not an RGB image in [0, 1]; the message has its index.
    """
    converted = [as_image(one, device, name=f"image[{i}]") for i, one in enumerate(images)]
    for i, image in enumerate(converted):
        check_image(image, f"image[{i}]")
    return converted


def check_image_list(images: Sequence[Any]) -> None:
    """Check the shapes and types of a list of images, which may differ in size.

    Raises:
        ValueError: if one of them is not floating-point RGB.
    """
    for image in images:
        if not isinstance(image, Tensor) or image.ndim != 3 or image.shape[0] != 3:
            got = tuple(image.shape) if isinstance(image, Tensor) else f"a {type(image).__name__}"
            raise ValueError(f"images must each be a tensor (3, height, width), got {got}")
        check_image_type(image, "images")


def check_image_shape(image: Any, name: str = "image") -> None:
    """Check that an image is a batch of floating-point RGB.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(image, Tensor):
        raise ValueError(
            f"{name} must be a tensor (batch, 3, height, width), got a {type(image).__name__}"
        )
    is_tracing = torch.jit.is_tracing()  # the tracer warns of every look at a size
    if not is_tracing and (image.ndim != 4 or image.shape[1] != 3):
        raise ValueError(f"{name} must be (batch, 3, height, width), got {tuple(image.shape)}")
    check_image_type(image, name)


def check_image_type(image: Tensor, name: str) -> None:
    """Check that an image, or another guide, has a floating-point type.

    Raises:
        ValueError: if it has not.
    """
    if image.dtype == torch.uint8:
        raise ValueError(
            f"{name} must be floating-point, in [0, 1] for RGB, got {image.dtype}: divide by 255"
        )
    if not image.is_floating_point():
        raise ValueError(f"{name} must be floating-point, got {image.dtype}")


def check_image_range(image: Tensor, name: str = "image") -> None:
    """Check that the values of an image are in [0, 1], with a margin.

    Raises:
        ValueError: if they are not, or not finite.
    """
    in_memory_order = image.detach()
    if not image.is_contiguous() and image.is_contiguous(memory_format=torch.channels_last):
        in_memory_order = in_memory_order.permute(0, 2, 3, 1)  # four times as fast
    low, high = (value.item() for value in in_memory_order.aminmax())
    if low >= -MARGIN and high <= 1 + MARGIN:
        return
    hint = ""
    if low >= -MARGIN and high <= 255 + MARGIN:
        hint = ": divide by 255"
    elif math.isfinite(low) and math.isfinite(high) and low < -MARGIN:
        hint = ": pass it without normalisation, networks here normalise images themselves"
    raise ValueError(f"{name} must be RGB in [0, 1], got values from {low:.4g} to {high:.4g}{hint}")


def has_values(image: Tensor) -> bool:
    """Whether the values of an image can be read, and are those of a photograph."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    if image.requires_grad or not image.numel() or image.is_meta or isinstance(image, FakeTensor):
        return False
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return False  # inside vmap or another transformation of functions
    return not (image.is_cuda and torch.cuda.is_current_stream_capturing())
