"""Downsamples, runs a body on the coarse grid, and upsamples to the original size."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from unstride.upsamplers.base import Downsampler, Upsampler


class Pair(nn.Module):
    """A downsampler, a body and an upsampler, which is guided by the fine features.

    Args:
        down: to the coarse grid.
        up: back to the fine grid. If it takes a guide, the guide is the fine features.
    """

    def __init__(self, down: Downsampler, up: Upsampler):
        super().__init__()
        self.down, self.up = down, up

    def forward(self, fine: Float[Tensor, "b c H W"], body=None) -> Tensor:
        """Downsample, run the body, upsample to the size of `fine`.

        Args:
            fine: features on the fine grid.
            body: function of the coarse features, whose result is upsampled. Default: identity.
        """
        coarse, shared = self.downsample(fine)
        coarse = coarse if body is None else body(coarse)
        return self.upsample(coarse, fine, shared)

    def downsample(self, fine: Float[Tensor, "b c H W"]) -> tuple[Float[Tensor, "b c h w"], Any]:
        """The coarse features, and what both directions share, for `upsample`.

        Args:
            fine: features on the fine grid.
        """
        return self.down(fine), None

    def shortcut(self, fine: Float[Tensor, "b c H W"], shared: Any) -> Float[Tensor, "b c H W"]:
        """What a decoder gets of the fine features beside the upsampled ones. Default: all.

        Args:
            fine: what was downsampled.
            shared: what `downsample` returned with it.
        """
        del shared
        return fine

    def upsample(
        self, coarse: Float[Tensor, "b c h w"], fine: Float[Tensor, "b c H W"], shared: Any
    ) -> Float[Tensor, "b c H W"]:
        """Upsample coarse features to the size of the fine ones.

        Args:
            coarse: features on the coarse grid.
            fine: what was downsampled.
            shared: what `downsample` returned with it.
        """
        del shared
        guide = fine if self.up.guide_channels is not None else None
        return self.up(coarse, guide, (fine.shape[2], fine.shape[3]))
