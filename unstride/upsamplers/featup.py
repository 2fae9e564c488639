"""FeatUp's stack of learned joint bilateral upsamplers, as published.

Fu, Hamilton, Brandt, Feldman, Zhang, Freeman, "FeatUp: A Model-Agnostic Framework for Features
at Any Resolution", ICLR 2024, arXiv:2403.10516, section 3.2, with the sizes of the released
code (7 x 7 window, 32 dimensions, bicubic source) where the paper has others (3 x 3, 30).

Two things are computed in another order, with the same result. The released code doubles the
features bicubically, then filters them on the fine grid. Here the two are one reassembly on the
coarse grid, with the bicubic kernel multiplied into the weights. And its last 1 x 1 convolution,
which mixes channels, commutes with everything that mixes pixels. So it is applied to the coarse
features, where it costs a hundredth or less.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d

from unstride.ops import correlate, fold_border, reassemble, spread_border
from unstride.saving.argument_ranges import NonNegativeInt, PositiveInt
from unstride.transforms.imagenet import IMAGENET_MEAN, IMAGENET_STD
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.guide import check_guide, resize_guide
from unstride.upsamplers.image_check import ImageCheck
from unstride.upsamplers.layers import LayerNorm2d
from unstride.upsamplers.resize import resize_antialiased, resize_halo

Doubling = Literal["bicubic", "bilinear"]

RESIDUAL_SCALE = 0.1  # factor of both corrections, as released


def _cubic_weights(t: Tensor, a: float = -0.75) -> Float[Tensor, "n 4"]:
    """Cubic convolution (Keys 1981) for four taps at distances 1 + t, t, 1 - t, 2 - t."""
    d = torch.stack([1 + t, t, 1 - t, 2 - t], -1)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return torch.where(d <= 1, near, far)


# Distance of the second of four taps from a fine pixel's centre, for each phase, in coarse pixels.
PHASE_OFFSETS = torch.tensor([0.75, 0.25], dtype=torch.float64)
DOUBLING_KERNELS = {
    "bicubic": _cubic_weights(PHASE_OFFSETS),
    "bilinear": torch.stack(
        [0 * PHASE_OFFSETS, 1 - PHASE_OFFSETS, PHASE_OFFSETS, 0 * PHASE_OFFSETS], -1
    ),
}


class FeatUpStack(Upsampler):
    """Weights are not convex: a learned correction is added to them after they are normalised.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel. The stack has log2(scale) stages, rounded up, and
            runs as many as a size needs. Other sizes are resized from the next larger grid.
        key_channels: dimensions in which pixels of the guide are compared; 32 as released, 30
            in the paper.
        radius: of the window of each stage, in pixels of its fine grid; 3 as released, 1 in the
            paper.
        source: interpolation of each stage before it filters: "bicubic" as released, or
            "bilinear" as in the paper.
        renormalise: whether the corrected weights are divided by their sum again.
        mix: whether there is a last 1 x 1 convolution. Without it, no parameter depends on
            `channels`.
        norm: whether a layer norm over the features' channels comes first, as in half of the
            released stacks.
    """

    guide_channels = 3
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 16,
        *,
        key_channels: PositiveInt = 32,
        radius: NonNegativeInt = 3,
        source: Doubling = "bicubic",
        renormalise: bool = False,
        mix: bool = True,
        norm: bool = False,
    ):
        super().__init__(channels, scale)
        self.check_image = ImageCheck("guide")
        stages = max(math.ceil(math.log2(scale)), 1)
        self.stages = nn.ModuleList(
            FeatUpStage(key_channels, radius, source=source, renormalise=renormalise)
            for _ in range(stages)
        )
        self.fixed_channels = norm or mix
        self.norm = LayerNorm2d(channels) if norm else None
        self.drop = nn.Dropout2d(0.2)
        self.mix = nn.Conv2d(channels, channels, 1) if mix else None
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def halo(self, grid, size, guide_size=None):
        """The halos of all doublings, each on its own grid, plus that of the last resize."""
        stage_halos: list[int] = []
        for stage in self.stages:
            if grid[0] >= size[0] and grid[1] >= size[1]:
                break
            assert isinstance(stage, FeatUpStage)
            stage_halos.append(stage.halo_cells)
            grid = 2 * grid[0], 2 * grid[1]
        halo = resize_halo(grid, size)
        for stage_halo in reversed(stage_halos):
            halo = stage_halo + -(-halo // 2)
        return halo

    def forward(self, features, guide=None, size=None):
        """Double the grid stage by stage; each stage sees the guide at its own resolution."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, 3, "featup_jbu")
        self.check_image(guide)
        guide = (guide - self.mean.to(guide)) / self.std.to(guide)
        features = features if self.norm is None else self.norm(features)
        fine = features
        if self.mix is not None:
            fine = features + RESIDUAL_SCALE * conv2d(self.drop(features), self.mix.weight)
        for stage in self.stages:
            h, w = fine.shape[2:]
            if h >= size[0] and w >= size[1]:
                break
            fine = stage(fine, resize_guide(guide, (2 * h, 2 * w)))
        fine = resize_antialiased(fine, size)
        if self.mix is not None and self.mix.bias is not None:
            fine += RESIDUAL_SCALE * self.mix.bias[:, None, None]  # in place: `fine` is our own
        return fine


class FeatUpStage(nn.Module):
    """One doubling: softmax over similar colours, times a Gaussian in space, plus a correction.

    Args:
        key_channels: dimensions in which pixels of the guide are compared.
        radius: of the window, in fine pixels.
        source, renormalise: as in `FeatUpStack`.
    """

    phases: Tensor

    def __init__(
        self,
        key_channels: int = 32,
        radius: int = 3,
        *,
        source: Doubling = "bicubic",
        renormalise: bool = False,
    ):
        super().__init__()
        self.kernel_size, self.renormalise = 2 * radius + 1, renormalise
        taps = self.kernel_size**2
        phases = composed_taps(DOUBLING_KERNELS[source], self.kernel_size).float()
        self.register_buffer("phases", phases, persistent=False)
        self.halo_cells = phases.shape[2] // 2  # in coarse pixels
        self.log_temperature = nn.Parameter(torch.tensor(0.0))
        self.sigma_space = nn.Parameter(torch.tensor(1.0))  # in radii of the window
        self.key = nn.Sequential(
            nn.Conv2d(3, key_channels, 1), nn.GELU(), nn.Dropout2d(0.1),
            nn.Conv2d(key_channels, key_channels, 1),
        )  # fmt: skip
        self.correction = nn.Sequential(
            nn.Conv2d(taps + 3, taps, 1), nn.GELU(), nn.Dropout2d(0.1), nn.Conv2d(taps, taps, 1)
        )

    def forward(
        self, features: Float[Tensor, "b c h w"], guide: Float[Tensor, "b 3 H W"]
    ) -> Float[Tensor, "b c H W"]:
        """Upsample the features to the guide's grid, which must be twice theirs."""
        h, w = features.shape[2:]
        weights = fold_border(self.guide_weights(guide), (2 * h, 2 * w), "reflect")
        weights = fold_border(compose_with_doubling(weights, self.phases), (h, w), "replicate")
        return reassemble(features, weights)

    def guide_weights(self, guide: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 1 k k H W"]:
        """Bilateral weights of each fine pixel's window on the fine grid."""
        keys = self.key(guide)
        size = guide.shape[2], guide.shape[3]
        scores = spread_border(correlate(keys, keys, self.kernel_size), size, "reflect")
        temperature = self.log_temperature.exp().clamp(1e-4, 1e4)
        range_kernel = (temperature * scores.flatten(1, 3)).softmax(1)
        weights = range_kernel * self.spatial_kernel().to(range_kernel)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-7)
        weights = weights + RESIDUAL_SCALE * self.correction(torch.cat([weights, guide], 1))
        if self.renormalise:
            weights = weights / clamp_away_from_zero(weights.sum(1, keepdim=True))
        return weights.unflatten(1, (1, self.kernel_size, self.kernel_size))

    def spatial_kernel(self) -> Float[Tensor, "kk 1 1"]:
        """A Gaussian over the window, in coordinates that run from -1 to 1 across it."""
        offset = torch.linspace(-1, 1, self.kernel_size, device=self.sigma_space.device)
        squared = offset[:, None].square() + offset.square()
        return torch.exp(-squared / (2 * self.sigma_space**2)).flatten()[:, None, None]


def clamp_away_from_zero(sums: Tensor, minimum: float = 0.1) -> Tensor:
    """Divisors of at least `minimum` in absolute value; signs are kept."""
    return torch.where(sums < 0, sums.clamp(max=-minimum), sums.clamp(min=minimum))


def compose_with_doubling(
    weights: Float[Tensor, "b g k k H W"], phases: Float[Tensor, "2 k m"]
) -> Float[Tensor, "b g m m H W"]:
    """Weights on the coarse grid that equal a doubling followed by weights on the fine grid.

    Args:
        weights: on the fine grid, with k taps along an axis.
        phases: as returned by `composed_taps`. The k fine taps span m coarse ones along an
            axis; 7 for k = 7.
    """
    phases = phases.to(weights)
    weights = weights.unflatten(5, (-1, 2)).unflatten(4, (-1, 2))
    weights = torch.einsum("bgtuivjx, vtp, xuq -> bgpqivjx", weights, phases, phases)
    return weights.flatten(6, 7).flatten(4, 5)


def composed_taps(doubling: Float[Tensor, "2 4"], kernel_size: int) -> Float[Tensor, "2 k m"]:
    """Weights of m coarse pixels, for each phase of a fine pixel and each of its k taps.

    Args:
        doubling: weights of the four coarse pixels around a fine one, for its two phases.
        kernel_size: side k of the window on the fine grid.
    """
    half = kernel_size // 2
    radius = max((half + 1) // 2 + 1, half // 2 + 2)  # coarse pixels to either side
    table = torch.zeros(2, kernel_size, 2 * radius + 1, dtype=torch.float64)
    for phase in (0, 1):
        for tap in range(kernel_size):
            coarse, tap_phase = divmod(phase + tap - half, 2)
            first = coarse - 2 + tap_phase + radius
            table[phase, tap, first : first + 4] = doubling[tap_phase]
    margin = int((table != 0).any(1).any(0).nonzero()[0])
    return table[:, :, margin : table.shape[2] - margin]
