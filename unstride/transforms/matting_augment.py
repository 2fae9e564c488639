"""Augmentation of matting: foregrounds are moved and recoloured, and trimaps are random.

As published with A2U, after GCA matting: rotation up to 30 degrees, scale 0.8 to 1.25, shear up to
10 degrees, flips, changes of colour; crops around the soft parts; random widths of the trimap.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from unstride.transforms.augment import colour_jitter
from unstride.transforms.resize import resize_bilinear
from unstride.transforms.trimap import Trimap, trimap_from_alpha

ANGLE, SCALES, SHEAR = 30.0, (0.8, 1.25), 10.0
JITTER, HUE = 0.2, 0.05
BACKGROUND_SCALES = (0.2, 1.0)


class MattingAugmentation:
    """Makes the parts of a composite; draws from torch's global random state.

    Args:
        size: rows and columns of the composite.
        trimap_widths: smallest and largest number of pixels by which the unknown region reaches
            into what is known, on each side.
    """

    def __init__(self, size: tuple[int, int], trimap_widths: tuple[int, int] = (1, 29)):
        self.size, self.trimap_widths = size, trimap_widths
        self.jitter = colour_jitter(JITTER, hue=HUE)
        aspect = size[1] / size[0]
        self.crop = v2.RandomResizedCrop(size, BACKGROUND_SCALES, (aspect, aspect), antialias=True)

    def foreground(self, cutout: Float[Tensor, "4 h w"]) -> Float[Tensor, "4 H W"]:
        """A crop around a soft pixel of the moved and recoloured foreground.

        Args:
            cutout: RGB and alpha, not multiplied.
        """
        if torch.rand(()) < 0.5:
            cutout = cutout.flip(2)
        cutout = torch.cat([self.jitter(cutout[:3]).clamp(0, 1), cutout[3:]])
        angle, shear = (uniform(-limit, limit) for limit in (ANGLE, SHEAR))
        # Multiplied, so that what is beyond the edge does not shine through.
        multiplied = torch.cat([cutout[:3] * cutout[3:], cutout[3:]])
        moved = functional.affine(
            multiplied, angle, [0, 0], uniform(*SCALES), [shear, 0.0],
            interpolation=v2.InterpolationMode.BILINEAR,
        )  # fmt: skip
        alpha = moved[3:].clamp(0, 1)
        moved = torch.cat([moved[:3] / alpha.clamp(min=1e-6), alpha]).clamp(0, 1)
        return self._crop_around_soft_pixel(moved)

    def background(self, image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 H W"]:
        """A random crop of a photograph."""
        return self.crop(image).clamp(0, 1)

    def trimap(self, alpha: Float[Tensor, "h w"]) -> Trimap:
        """The trimap of an alpha matte, with a random width on each side."""
        low, high = self.trimap_widths
        inner, outer = torch.randint(low, high + 1, (2,)).tolist()
        return trimap_from_alpha(alpha, inner, outer)

    def _crop_around_soft_pixel(self, maps: Float[Tensor, "4 h w"]) -> Float[Tensor, "4 H W"]:
        """A crop with sides from once to twice the size, shrunk to it, around a soft pixel."""
        alpha = maps[3]
        soft = torch.nonzero((alpha > 0) & (alpha < 1))
        if not len(soft):
            soft = torch.nonzero(alpha > 0)
        (h, w), (rows, columns) = alpha.shape, self.size
        factor = min(uniform(1.0, 2.0), max(h / rows, 1), max(w / columns, 1))
        height, width = round(factor * rows), round(factor * columns)
        centre = (
            soft[int(torch.randint(len(soft), ()))] if len(soft) else torch.tensor([h // 2, w // 2])
        )
        padded = torch.nn.functional.pad(maps, (width, width, height, height))
        top, left = (int(c) + n - n // 2 for c, n in zip(centre, (height, width), strict=True))
        crop = padded[:, top : top + height, left : left + width]
        multiplied = torch.cat([crop[:3] * crop[3:], crop[3:]])
        small = resize_bilinear(multiplied[None], self.size)[0].clamp(0, 1)
        alpha = small[3:]
        return torch.cat([(small[:3] / alpha.clamp(min=1e-6)).clamp(0, 1), alpha])


def uniform(low: float, high: float) -> float:
    """A number between two limits."""
    return float(torch.empty(()).uniform_(low, high))
