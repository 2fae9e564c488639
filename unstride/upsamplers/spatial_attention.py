"""Bilinear upsampling followed by a gate: the baseline "S.A." of the CARAFE paper.

Chen et al., "SCA-CNN", CVPR 2017, arXiv:1611.05594 (spatial attention), as an upsampler in
Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188, table 2. The paper gives no layout. A single
3 x 3 convolution to one channel, after the resize, agrees with the number of parameters there.
"""

from typing import Literal

from torch import nn
from torch.nn.functional import interpolate

from unstride.saving.argument_ranges import OddInt, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.resize import cells_covering


class SpatialAttention(Upsampler):
    """Bilinear weights times a gate in (0, 2) for each output pixel: positive, not convex.

    The gate begins as 1. With the published start it is in (0, 1) and begins at a half.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        kernel_size: side of the convolution that predicts the gate, in output pixels; odd.
        start: bilinear, or "published", see `start.py`.
    """

    fixed_channels, starts = True, ("bilinear",)

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: OddInt = 3,
        start: Literal["bilinear", "published"] = "bilinear",
    ):
        super().__init__(channels, scale)
        self.kernel_size, self.start = kernel_size, start
        self.gate = nn.Conv2d(channels, 1, kernel_size, padding=kernel_size // 2, bias=False)
        if start != "published":
            nn.init.zeros_(self.gate.weight)

    def halo(self, grid, size, guide_size=None):
        """The halo of the gate, which runs on the fine grid, plus that of the bilinear resize."""
        return 1 + cells_covering(self.kernel_size // 2, grid, size)

    def forward(self, features, guide=None, size=None):
        """Resize, then multiply each pixel by its gate; the guide is not used."""
        del guide
        fine = interpolate(features, self.output_size(features, size), mode="bilinear")
        return fine * self.predict_gate(fine)

    def predict_gate(self, fine):
        """One positive number for each fine pixel."""
        gate = self.gate(fine).sigmoid()
        return gate if self.start == "published" else 2 * gate
