"""FeatUp's implicit network: features of one image as a function of place and colour.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.2, "Implicit", with the sizes of the
released code. It is fitted to a single image, to the features that a backbone has of it. Unlike
the code, colours are scaled by the image alone, not by the batch it comes in.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import check_guide
from unstride.upsamplers.layers import LayerNorm2d

INPUT_CHANNELS = 5  # y, x, red, green, blue
MIN_EXPONENT, MAX_EXPONENT = -2.0, 10.0  # exponents of the frequencies
DROPOUT = 0.2  # of the channels, as released; the paper says 0.1


class FeatUpImplicit(Upsampler):
    """Not convex: a network of place and colour; it does not look at the features.

    Args:
        channels: of the result.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        frequencies: of the sines and cosines of each input.
        highest: exponent of the highest of them; the lowest is exp(-2).
        dropout: share of the channels left out in training.
    """

    guide_channels = 3

    def __init__(
        self,
        channels: int = 128,
        scale: int = 16,
        *,
        frequencies: int = 30,
        highest: float = MAX_EXPONENT,
        dropout: float = DROPOUT,
    ):
        super().__init__(channels, scale)
        self.fourier = FourierFeatures(frequencies, highest)
        seen = 2 * INPUT_CHANNELS * frequencies + 3
        self.network = nn.Sequential(
            LayerNorm2d(seen), nn.Dropout2d(dropout), nn.Conv2d(seen, channels, 1), nn.ReLU(),
            nn.Dropout2d(dropout), LayerNorm2d(channels), nn.Conv2d(channels, channels, 1),
            nn.ReLU(), nn.Conv2d(channels, channels, 1),
        )  # fmt: skip

    def forward(self, features, guide=None, size=None):
        """The network at the centres of the output's pixels."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, 3, "featup_implicit")
        return self.at(coordinates_and_colours(guide, size))

    def at(self, inputs: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b c h w"]:
        """The network, for each pixel alone, of what `coordinates_and_colours` says of it."""
        return self.network(self.fourier(inputs))


class FourierFeatures(nn.Module):
    """Sines and cosines of each input, at growing frequencies and with learned phases.

    Args:
        frequencies: how many.
        highest: exponent of the highest; the lowest is exp(-2).
    """

    def __init__(self, frequencies: int, highest: float = MAX_EXPONENT):
        super().__init__()
        self.highest = highest
        self.phases = nn.Parameter(torch.randn(2, INPUT_CHANNELS, frequencies))

    def forward(self, inputs: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b d h w"]:
        """All sines, frequency after frequency, all cosines, and the colours as they are."""
        n = self.phases.shape[2]
        frequencies = (
            torch.linspace(MIN_EXPONENT, self.highest, n, device=inputs.device).exp().to(inputs)
        )
        turns = inputs[:, None] * frequencies[:, None, None, None]
        # The released layout: phases are stored input by input and read frequency by frequency.
        sine, cosine = self.phases.reshape(2, n, INPUT_CHANNELS, 1, 1)
        return torch.cat(
            [
                (turns + sine).sin().flatten(1, 2),
                (turns + cosine).cos().flatten(1, 2),
                inputs[:, 2:],
            ],
            1,
        )


def coordinates_and_colours(
    guide: Float[Tensor, "b 3 gh gw"], size: tuple[int, int]
) -> Float[Tensor, "b 5 h w"]:
    """What the network looks at: y, x, red, green and blue at the centres of `size` pixels."""
    colours, grid = min_max_scale(guide), (guide.shape[2], guide.shape[3])
    if size != grid:
        colours = interpolate(colours, size, mode="bilinear", antialias=True)
    y, x = (normalised_coordinates(n, m, guide) for n, m in zip(grid, size, strict=True))
    rows = y[:, None].expand(len(guide), 1, *size)
    columns = x.expand(len(guide), 1, *size)
    return torch.cat([rows, columns, colours], 1)


def min_max_scale(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Each channel of each image from -1/2 at its least value to 1/2 at its greatest."""
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    return (image - low) / (high - low).clamp(min=1e-4) - 0.5


def normalised_coordinates(pixels: int, samples: int, like: Tensor) -> Float[Tensor, " n"]:
    """Centres of samples where -1 and 1 are the centres of the first and the last pixel."""
    at = (torch.arange(samples, device=like.device) + 0.5) * (pixels / samples) - 0.5
    return (at * (2 / max(pixels - 1, 1)) - 1).to(like.dtype)
