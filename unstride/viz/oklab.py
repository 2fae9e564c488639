"""Converts between sRGB and OKLab, a perceptual colour space.

Its axes are lightness, a (green to red) and b (blue to yellow).

Ottosson, "A perceptual color space for image processing", 2020,
https://bottosson.github.io/posts/oklab: both matrices; the way back uses their inverses.
"""

import torch
from jaxtyping import Float
from torch import Tensor

RGB_TO_LMS = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
LMS_TO_OKLAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)


def to_oklab(colours: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Convert sRGB in [0, 1] to lightness in [0, 1], a and b."""
    srgb = colours.double()
    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return ((linear @ RGB_TO_LMS.T).clamp(min=0) ** (1 / 3) @ LMS_TO_OKLAB.T).float()


def from_oklab(colours: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Convert lightness, a and b to sRGB; outside [0, 1] where no screen can show the colour."""
    lms = (colours.double() @ torch.linalg.inv(LMS_TO_OKLAB).T) ** 3
    linear = lms @ torch.linalg.inv(RGB_TO_LMS).T
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved).float()
