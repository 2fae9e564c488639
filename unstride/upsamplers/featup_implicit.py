"""FeatUp's implicit network: features of one image as a function of position and colour.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.2, "Implicit", with the sizes of the
released code. It is fitted to a single image, to the features that a backbone computes of it.
Unlike in that code, colours are scaled by the image alone, not by its batch.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.saving.argument_ranges import DropoutRate, Finite, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import check_guide
from unstride.upsamplers.image_check import ImageCheck
from unstride.upsamplers.layers import LayerNorm2d

INPUT_CHANNELS = 5  # y, x, red, green, blue
MIN_EXPONENT, MAX_EXPONENT = -2.0, 10.0  # of the frequencies, exp(exponent)
LogFrequency = Annotated[float, Finite(MIN_EXPONENT, 80.0)]  # float32 holds exp(80)
DROPOUT = 0.2  # of the channels, as released; 0.1 in the paper


class FeatUpImplicit(Upsampler):
    """Not convex: a network of position and colour, which ignores the features.

    Args:
        channels: of the result.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        frequencies: number of frequencies of the sines and cosines of each input.
        highest: exponent of the highest frequency, exp(highest); the lowest is exp(-2). Up to 80.
        dropout: share of the channels dropped in training, below 1.
    """

    guide_channels = 3

    def __init__(
        self,
        channels: PositiveInt = 128,
        scale: PositiveInt = 16,
        *,
        frequencies: PositiveInt = 30,
        highest: LogFrequency = MAX_EXPONENT,
        dropout: DropoutRate = DROPOUT,
    ):
        super().__init__(channels, scale)
        self.check_image = ImageCheck("guide")
        self.fourier = FourierFeatures(frequencies, highest)
        in_channels = 2 * INPUT_CHANNELS * frequencies + 3
        self.network = nn.Sequential(
            LayerNorm2d(in_channels), nn.Dropout2d(dropout), nn.Conv2d(in_channels, channels, 1),
            nn.ReLU(), nn.Dropout2d(dropout), LayerNorm2d(channels),
            nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1),
        )  # fmt: skip

    def forward(self, features, guide=None, size=None):
        """Query the network at the centres of the output pixels."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, 3, "featup_implicit")
        self.check_image(guide)
        return self.query(coordinates_and_colours(guide, size))

    def query(self, inputs: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b c h w"]:
        """Run the network on every pixel by itself.

        Args:
            inputs: as returned by `coordinates_and_colours`.
        """
        return self.network(self.fourier(inputs))


class FourierFeatures(nn.Module):
    """Sines and cosines of each input, at increasing frequencies and with learned phases.

    Args:
        frequencies: number of frequencies.
        highest: exponent of the highest frequency, exp(highest); the lowest is exp(-2).
    """

    def __init__(self, frequencies: int, highest: float = MAX_EXPONENT):
        super().__init__()
        self.highest = highest
        self.phases = nn.Parameter(torch.randn(2, INPUT_CHANNELS, frequencies))

    def forward(self, inputs: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b d h w"]:
        """All sines, frequency by frequency, then all cosines, then the colours as they are."""
        n = self.phases.shape[2]
        exponents = torch.linspace(MIN_EXPONENT, self.highest, n, device=inputs.device)
        angles = inputs[:, None] * exponents.exp().to(inputs)[:, None, None, None]
        # The released layout: phases are stored input by input and read frequency by frequency.
        sine_phases, cosine_phases = self.phases.reshape(2, n, INPUT_CHANNELS, 1, 1)
        sines = (angles + sine_phases).sin().flatten(1, 2)
        cosines = (angles + cosine_phases).cos().flatten(1, 2)
        return torch.cat([sines, cosines, inputs[:, 2:]], 1)


def coordinates_and_colours(
    guide: Float[Tensor, "b 3 gh gw"], size: tuple[int, int]
) -> Float[Tensor, "b 5 h w"]:
    """The network's inputs: y, x, red, green and blue at the centres of the output pixels.

    Args:
        guide: RGB in [0, 1].
        size: rows and columns of the output.
    """
    colours, grid = min_max_scale(guide), (guide.shape[2], guide.shape[3])
    if size != grid:
        colours = interpolate(colours, size, mode="bilinear", antialias=True)
    y, x = (normalised_coordinates(n, m, guide) for n, m in zip(grid, size, strict=True))
    rows = y[:, None].expand(len(guide), 1, *size)
    columns = x.expand(len(guide), 1, *size)
    return torch.cat([rows, columns, colours], 1)


def min_max_scale(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Scale each channel of each image to run from -1/2 at its minimum to 1/2 at its maximum."""
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    return (image - low) / (high - low).clamp(min=1e-4) - 0.5


def normalised_coordinates(num_pixels: int, num_samples: int, like: Tensor) -> Float[Tensor, " n"]:
    """Coordinates of samples along an axis; -1 and 1 are the centres of the outermost pixels.

    Args:
        num_pixels: pixels of the image along the axis.
        num_samples: samples, which cover the image evenly.
        like: for device and dtype.
    """
    samples = torch.arange(num_samples, device=like.device)
    positions = (samples + 0.5) * (num_pixels / num_samples) - 0.5
    return (positions * (2 / max(num_pixels - 1, 1)) - 1).to(like.dtype)
