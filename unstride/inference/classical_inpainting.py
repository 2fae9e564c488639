"""Classical inpainting, to compare with: Telea, Navier-Stokes, biharmonic, and the mean colour.

Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004, and Bertalmio et
al., "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting", CVPR 2001, as in OpenCV, which
computes in 8 bits; biharmonic functions as in scikit-image. Needs the extra "inpaint".
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

RADIUS = 3  # pixels that Telea and Navier-Stokes look at around a pixel

Image = Float[Tensor, "1 3 h w"]
Holes = Bool[Tensor, "1 1 h w"]


def telea(image: Image, is_hole: Holes) -> Image:
    """Fill holes from their border inwards by weighted means of known pixels."""
    import cv2

    return _opencv(image, is_hole, cv2.INPAINT_TELEA)


def navier_stokes(image: Image, is_hole: Holes) -> Image:
    """Continue lines of equal brightness into holes."""
    import cv2

    return _opencv(image, is_hole, cv2.INPAINT_NS)


def biharmonic(image: Image, is_hole: Holes) -> Image:
    """Fill holes with the smoothest continuation of values and slopes."""
    from skimage.restoration import inpaint_biharmonic

    array = image[0].permute(1, 2, 0).double().cpu().numpy()
    filled = inpaint_biharmonic(array, is_hole[0, 0].cpu().numpy(), channel_axis=2)
    return torch.from_numpy(filled).permute(2, 0, 1)[None].to(image).clamp(0, 1)


def mean_colour(image: Image, is_hole: Holes) -> Image:
    """Fill holes with the mean of all known pixels."""
    known = (~is_hole).to(image)
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum().clamp(min=1)
    return torch.where(is_hole, mean, image)


def _opencv(image: Image, is_hole: Holes, method: int) -> Image:
    import cv2

    array = (image[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    holes = is_hole[0, 0].cpu().numpy().astype(np.uint8)
    filled = cv2.inpaint(np.ascontiguousarray(array), holes, RADIUS, method)
    result = torch.from_numpy(filled).permute(2, 0, 1)[None].to(image) / 255
    return torch.where(is_hole, result, image)


PACKAGES = {"telea": "cv2", "navier_stokes": "cv2", "biharmonic": "skimage"}  # that each needs
CLASSICAL: dict[str, Callable[[Image, Holes], Image]] = {
    "telea": telea,
    "navier_stokes": navier_stokes,
    "biharmonic": biharmonic,
    "mean": mean_colour,
}
