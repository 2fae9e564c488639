"""Two random views of an image, whose pixels know where they come from.

The recipe of PixPro's released code (arXiv:2011.10043) is that of BYOL (arXiv:2006.07733, appendix
B) with crops from 8 % of the image on: resized crop, flip, colour jitter, grey, blur and
solarisation; blur and solarisation differ between the two views. Rotation and elastic deformation
are ours, and off by default. Each geometric step moves the coordinates as it moves the pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from unstride.random_numbers import seeded
from unstride.transforms.pixel_maps import CoordinateMap

JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1}
JITTER_PROBABILITY, GREY_PROBABILITY = 0.8, 0.2
BLUR_SIGMAS = (0.1, 2.0)  # in pixels of the view
SOLARISE_THRESHOLD = 128 / 255
MAX_SEED = 2**31
ELASTIC_SMOOTHNESS = 5.0  # standard deviation of the displacements' smoothing, in pixels


class View(NamedTuple):
    """A view "3 h w", RGB in [0, 1], and the (x, y) of its pixels in the image, "2 h w"."""

    image: Tensor
    coordinates: Tensor


@dataclass(frozen=True)
class ViewOptions:
    """What may happen to a view.

    Attributes:
        size: height and width of the view, in pixels.
        scale_range: smallest and largest share of the image's area in a view.
        aspect_range: smallest and largest width over height of a crop.
        rotation: largest rotation to either side, in degrees.
        elastic: strength of the elastic deformation: displacements in pixels before smoothing.
        blur_probability: share of views that are blurred.
        solarise_probability: share of views that are solarised.
    """

    size: tuple[int, int] = (224, 224)
    scale_range: tuple[float, float] = (0.08, 1.0)
    aspect_range: tuple[float, float] = (3 / 4, 4 / 3)
    rotation: float = 0.0
    elastic: float = 0.0
    blur_probability: float = 1.0
    solarise_probability: float = 0.0


class RandomView:
    """Makes a random view of an image. Draws from torch's global random numbers.

    Its colours depend on a seed of their own, so that they may be changed later and elsewhere.

    Args:
        options: what may happen.
    """

    def __init__(self, options: ViewOptions):
        self.options = options
        self.crop = v2.RandomResizedCrop(options.size, options.scale_range, options.aspect_range)
        moves: list[v2.Transform] = [v2.RandomHorizontalFlip()]
        if options.rotation:
            moves.append(v2.RandomRotation(options.rotation, v2.InterpolationMode.BILINEAR))
        if options.elastic:
            moves.append(v2.ElasticTransform(options.elastic, ELASTIC_SMOOTHNESS))
        self.move = v2.Compose(moves)
        kernel = max(min(options.size) // 10, 1) | 1  # a tenth of the view, and odd
        blur = v2.GaussianBlur(kernel, BLUR_SIGMAS)
        self.colours = v2.Compose(
            [
                v2.RandomApply([v2.ColorJitter(**JITTER)], JITTER_PROBABILITY),
                v2.RandomGrayscale(GREY_PROBABILITY),
                v2.RandomApply([blur], options.blur_probability),
                v2.RandomSolarize(SOLARISE_THRESHOLD, options.solarise_probability),
            ]
        )

    def __call__(self, image: Float[Tensor, "3 h w"]) -> View:
        """Make a view of an image, RGB in [0, 1], with its own colours."""
        crop = self.crop.make_params([image])
        size = self.options.size
        view = v2.functional.resized_crop(tv_tensors.Image(image), **crop, size=list(size))
        places = CoordinateMap.of_crop(
            crop["top"], crop["left"], crop["height"], crop["width"], size
        ).to(image.device)
        view, places = self.move(view, places)
        return View(view.as_subclass(Tensor), places.as_subclass(Tensor))

    def recolour(self, view: Float[Tensor, "3 h w"], seed: int) -> Float[Tensor, "3 h w"]:
        """Change the colours of a view, on its device."""
        with seeded(seed):
            return self.colours(view).clamp(0, 1)


class TwoViews:
    """Makes two random views of an image.

    Args:
        options: options of both views.
        blur_probabilities: share of the first and of the second views that are blurred.
        solarise_probabilities: the same for solarisation.
        recolour: change the colours at once. Otherwise `recolour_batch` does it, to the same
            result.
    """

    def __init__(
        self,
        options: ViewOptions,
        blur_probabilities: Sequence[float] = (1.0, 0.1),
        solarise_probabilities: Sequence[float] = (0.0, 0.2),
        *,
        recolour: bool = True,
    ):
        self.recolours = recolour
        self.views = [
            RandomView(
                ViewOptions(
                    **{
                        **vars(options),
                        "blur_probability": blur,
                        "solarise_probability": solarise,
                    }
                )
            )
            for blur, solarise in zip(blur_probabilities, solarise_probabilities, strict=True)
        ]

    def __call__(self, image: Float[Tensor, "3 h w"]) -> dict[str, Tensor]:
        """The views of an image, RGB in [0, 1].

        Returns:
            `images` "2 3 H W", `coordinates` "2 2 H W", `image_size`, the image's height and
            width in pixels, and `colour_seeds` "2", the seeds of the views' colours.
        """
        first, second = (make(image) for make in self.views)
        images, seeds = torch.stack([first.image, second.image]), torch.randint(MAX_SEED, (2,))
        return {
            "images": self._recoloured(images, seeds) if self.recolours else images,
            "coordinates": torch.stack([first.coordinates, second.coordinates]),
            "colour_seeds": seeds,
            "image_size": torch.tensor([float(image.shape[1]), float(image.shape[2])]),
        }

    def recolour_batch(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change the colours of a batch of views on their device, each by its own seed."""
        pairs = zip(batch["images"], batch["colour_seeds"].cpu(), strict=True)
        return batch | {"images": torch.stack([self._recoloured(*pair) for pair in pairs])}

    def _recoloured(
        self, images: Float[Tensor, "2 3 H W"], seeds: Int[Tensor, "2"]
    ) -> Float[Tensor, "2 3 H W"]:
        """Both views of an image with changed colours."""
        views = zip(self.views, images, seeds.tolist(), strict=True)
        return torch.stack([view.recolour(image, seed) for view, image, seed in views])
