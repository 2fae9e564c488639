"""Partial convolution: sees known values alone, and says which places it has filled.

Liu, Reda, Shih, Wang, Tao, Catanzaro, "Image Inpainting for Irregular Holes Using Partial
Convolutions", ECCV 2018, arXiv:1804.07723, section 3.1. As in the authors' code, places beyond the
border count as unknown.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import conv2d


class PartialConv2d(nn.Conv2d):
    """The sum over known taps, times the share of taps that are; 0 where none is known.

    The arguments are those of `torch.nn.Conv2d`, with one group.
    """

    def forward(  # type: ignore[override]
        self, maps: Float[Tensor, "b c h w"], known: Bool[Tensor, "b k h w"]
    ) -> tuple[Float[Tensor, "b d H W"], Bool[Tensor, "b 1 H W"]]:
        """Convolve, and return where at least one tap is known.

        Args:
            maps: values; those that are not known do not matter.
            known: which are, for each channel or for all.
        """
        with torch.no_grad():
            planes, taps = known.shape[1], self.weight[0].numel()
            window = maps.new_full((1, planes, *self.kernel_size), self.in_channels / planes)
            count = conv2d(known.to(maps), window, None, self.stride, self.padding, self.dilation)
            share = taps / count.clamp(min=0.5)
            is_filled = count > 0.5
        sums = self._conv_forward(maps.masked_fill(~known, 0), self.weight, None)
        sums = sums * share
        if self.bias is not None:
            sums = sums + self.bias[:, None, None]
        return sums.masked_fill(~is_filled, 0), is_filled
