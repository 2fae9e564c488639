"""The guided upsampling module: a coarsely predicted table of offsets moves each sample.

Mazzini, "Guided Upsampling Network for Real-Time Semantic Segmentation", BMVC 2018,
arXiv:1807.07466, section 3.2 and "Fast GUM": the table is predicted on the coarse grid and
upsampled bilinearly. The layers that predict it are ours: one convolution, initialised with
zeros. The CARAFE paper lists 132 k parameters for its GUM at 256 channels, but their layout is
not published.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.saving.argument_ranges import OddInt, PositiveInt
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.dysample import sample_at_offsets


class GuidedUpsamplingModule(Upsampler):
    """Weights are convex: bilinear between the four pixels around a predicted position.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        kernel_size: side of the convolution that predicts the table, in input pixels; odd.
    """

    fixed_channels, starts = True, ("bilinear",)

    def __init__(self, channels: PositiveInt, scale: PositiveInt = 2, *, kernel_size: OddInt = 3):
        super().__init__(channels, scale)
        self.table = nn.Conv2d(channels, 2, kernel_size, padding=kernel_size // 2)
        nn.init.zeros_(self.table.weight)
        assert self.table.bias is not None
        nn.init.zeros_(self.table.bias)

    def forward(self, features, guide=None, size=None):
        """Sample at the output pixels' centres plus the offsets of the table."""
        del guide
        size = self.output_size(features, size)
        return sample_at_offsets(features, self.predict_offsets(features, size)[:, None])

    def predict_offsets(self, features, size) -> Float[Tensor, "b 2 H W"]:
        """Offsets (x, y) of the sampling positions, in input pixels."""
        table: Tensor = self.table(features)
        return interpolate(table, size, mode="bilinear", align_corners=False)
