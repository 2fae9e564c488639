"""One step down and the matching step up, around whatever works on the coarse grid."""

from jaxtyping import Float
from torch import Tensor, nn

from unstride.upsamplers.base import Downsampler, Upsampler


class Pair(nn.Module):
    """Down, through a body, and up again to the same size, guided by what came in.

    Args:
        down: to the coarse grid.
        up: back; if it takes a guide, that is the fine features.
    """

    def __init__(self, down: Downsampler, up: Upsampler):
        super().__init__()
        self.down, self.up = down, up

    def forward(self, fine: Float[Tensor, "b c H W"], body=None) -> Tensor:
        """`body` maps the coarse features to what is then upsampled; identity by default."""
        coarse = self.down(fine)
        coarse = coarse if body is None else body(coarse)
        guide = fine if self.up.guide_channels is not None else None
        return self.up(coarse, guide, (fine.shape[2], fine.shape[3]))
