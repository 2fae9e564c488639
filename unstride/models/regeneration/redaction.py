"""Redactions: take pixels, blocks or frequencies out of images, for a network to put back.

Borse et al., "DejaVu: Conditional Regenerative Learning to Enhance Dense Prediction", CVPR 2023,
arXiv:2303.01573, section 3.1. The paper's strengths are not known to us; the defaults are ours.
What is taken out becomes the mean colour of ImageNet, which is zero once images are normalised.
The paper drops random pixels with a probability. Here a fixed share of them is dropped, so that
every image loses the same amount.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.saving.argument_checks import check_fields
from unstride.saving.argument_ranges import Fraction, PositiveInt
from unstride.transforms.dct import dct, inverse_dct
from unstride.transforms.imagenet import IMAGENET_MEAN
from unstride.upsamplers.image_check import check_image_shape

SEED_MODULUS = 2**63


class Redaction(ABC):
    """Takes information out of images. Subclasses define what stays of centred images."""

    def __call__(
        self, images: Float[Tensor, "b 3 h w"], seeds: Sequence[int]
    ) -> Float[Tensor, "b 3 h w"]:
        """The images without what is taken out.

        Args:
            images: RGB in [0, 1].
            seeds: one per image. The result of an image depends on its own seed only.
        """
        mean = images.new_tensor(IMAGENET_MEAN)[:, None, None]
        return mean + self.redacted(images - mean, seeds)

    @abstractmethod
    def redacted(
        self, centred: Float[Tensor, "b 3 h w"], seeds: Sequence[int]
    ) -> Float[Tensor, "b 3 h w"]:
        """What stays of images whose mean colour is zero."""


class NoRedaction(Redaction):
    """Keeps everything. A control: a network that sees the whole image needs no prediction."""

    def redacted(self, centred, seeds):
        """The images as they are."""
        return centred


class SpatialRedaction(Redaction):
    """Sets pixels to the mean colour, in all three channels. Subclasses choose the pixels."""

    def redacted(self, centred, seeds):
        """The kept pixels, and zeros."""
        size = centred.shape[2], centred.shape[3]
        kept = [self.kept(size, torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.where(torch.stack(kept)[:, None].to(centred.device), centred, 0)

    @abstractmethod
    def kept(self, size: tuple[int, int], generator: torch.Generator) -> Bool[Tensor, "h w"]:
        """Mask of the pixels that stay."""


@dataclass(frozen=True)
class RandomPixels(SpatialRedaction):
    """Drops pixels at random.

    Args:
        fraction: share of the pixels that are dropped, rounded to whole pixels.
    """

    fraction: Fraction = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)

    def kept(self, size, generator):
        """All pixels but a random choice of `fraction` of them."""
        return random_mask(size, self.fraction, generator)


@dataclass(frozen=True)
class RandomBlocks(SpatialRedaction):
    """Drops square blocks of a regular grid at random.

    Args:
        block: side of a block, in pixels. Blocks at the bottom and right may be cut off.
        fraction: share of the blocks that are dropped, rounded to whole blocks.
    """

    block: PositiveInt = 16
    fraction: Fraction = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)

    def kept(self, size, generator):
        """All blocks but a random choice of `fraction` of them."""
        grid = -(-size[0] // self.block), -(-size[1] // self.block)
        return enlarge(random_mask(grid, self.fraction, generator), self.block, size)


@dataclass(frozen=True)
class Checkerboard(SpatialRedaction):
    """Drops every second block, as the black squares of a checkerboard in a random position.

    Args:
        block: side of a block, in pixels.
    """

    block: PositiveInt = 16

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)

    def kept(self, size, generator):
        """The white squares."""
        down, across = torch.randint(0, 2 * self.block, (2,), generator=generator).tolist()
        rows = (torch.arange(size[0]) + down) // self.block
        columns = (torch.arange(size[1]) + across) // self.block
        return (rows[:, None] + columns) % 2 == 0


class SpectralRedaction(Redaction):
    """Drops frequencies of the discrete cosine transform of the whole image.

    A coefficient (u, v) of an h x w image has the frequency (u / h + v / w) / 2, from 0 to 1. The
    result may leave [0, 1]. Seeds do not matter.
    """

    def redacted(self, centred, seeds):
        """The image of the kept coefficients."""
        u, v = (torch.arange(n, device=centred.device) / n for n in centred.shape[2:])
        kept = self.kept((u[:, None] + v) / 2)
        return inverse_dct(dct(centred) * kept).to(centred.dtype)

    @abstractmethod
    def kept(self, frequency: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
        """Mask of the coefficients that stay."""


@dataclass(frozen=True)
class LowPass(SpectralRedaction):
    """Keeps low frequencies: a blurred image.

    Args:
        cutoff: frequencies from here on are dropped, 0 to 1.
    """

    cutoff: Fraction = 0.1

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)

    def kept(self, frequency):
        """Frequencies below the cutoff."""
        return frequency < self.cutoff


@dataclass(frozen=True)
class HighPass(SpectralRedaction):
    """Keeps high frequencies: edges and texture on grey.

    Args:
        cutoff: frequencies below are dropped, 0 to 1.
    """

    cutoff: Fraction = 0.1

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)

    def kept(self, frequency):
        """Frequencies from the cutoff on."""
        return frequency >= self.cutoff


@dataclass(frozen=True)
class BandStop(SpectralRedaction):
    """Drops a band of frequencies: colours and fine texture stay, shapes go.

    Args:
        low: frequencies from here on are dropped, 0 to 1.
        high: frequencies from here on stay, 0 to 1.
    """

    low: Fraction = 0.06
    high: Fraction = 0.35

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)
        if self.low >= self.high:
            raise ValueError(f"low must be below high={self.high}, got {self.low}")

    def kept(self, frequency):
        """Frequencies below and above the band."""
        return (frequency < self.low) | (frequency >= self.high)


REDACTIONS: dict[str, Callable[..., Redaction]] = {
    "random_pixels": RandomPixels,
    "random_blocks": RandomBlocks,
    "checkerboard": Checkerboard,
    "low_pass": LowPass,
    "high_pass": HighPass,
    "band_stop": BandStop,
    "none": NoRedaction,
}


def create_redaction(name: str, **options: float) -> Redaction:
    """Create a redaction by its name.

    Args:
        name: random_pixels, random_blocks, checkerboard, low_pass, high_pass, band_stop or none.
        options: arguments of its class, such as block=8.

    Raises:
        ValueError: if there is no such redaction or option.
    """
    if name not in REDACTIONS:
        raise ValueError(f"redaction must be one of {', '.join(REDACTIONS)}, got {name!r}")
    try:
        return REDACTIONS[name](**options)
    except TypeError:
        raise ValueError(f"redaction {name} has no option {', '.join(options)}") from None


def redact(
    images: Float[Tensor, "b 3 h w"],
    redaction: str | Redaction = "random_blocks",
    *,
    seed: int | Sequence[int] = 0,
    **options: float,
) -> Float[Tensor, "b 3 h w"]:
    """Take pixels, blocks or frequencies out of images.

    Args:
        images: RGB in [0, 1].
        redaction: a name for `create_redaction`, or a redaction.
        seed: seed of the first image, or one for each. Later images count up.
        options: arguments of the redaction, if it is a name.

    Raises:
        ValueError: if the images are not RGB, or there is no such redaction or option, or the
            number of seeds is not that of the images.
    """
    check_image_shape(images, "images")
    if isinstance(redaction, str):
        redaction = create_redaction(redaction, **options)
    seeds = (
        [(seed + i) % SEED_MODULUS for i in range(len(images))] if isinstance(seed, int) else seed
    )
    if len(seeds) != len(images):
        raise ValueError(f"seed must be one number or {len(images)}, got {len(seeds)}")
    return redaction(images, seeds)


def random_mask(
    size: tuple[int, int], fraction: float, generator: torch.Generator
) -> Bool[Tensor, "h w"]:
    """False at a random choice of `fraction` of all places, rounded to whole places."""
    kept = torch.ones(size[0] * size[1], dtype=torch.bool)
    kept[torch.randperm(len(kept), generator=generator)[: round(fraction * len(kept))]] = False
    return kept.view(size)


def enlarge(mask: Bool[Tensor, "h w"], factor: int, size: tuple[int, int]) -> Bool[Tensor, "H W"]:
    """Repeat each place of a mask `factor` times along both axes, and cut it to a size."""
    enlarged = interpolate(mask[None, None].float(), scale_factor=factor)[0, 0] > 0
    return enlarged[: size[0], : size[1]]
