"""Pyramid pooling: what each quarter, ninth and all of the image shows, told to every pixel.

Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017, arXiv:1612.01105, section 3.2. With an
operator the pooled maps are enlarged in two steps, bilinearly to half the grid and by the
operator to all of it: Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188, section 4.2.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from unstride.necks.conv_block import conv_norm_relu
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided

POOL_SIZES = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """The features beside their means over parts of the map, mixed by a 3 x 3 convolution.

    A mean over the whole map is one value an image, which batch normalisation cannot take in
    training from a batch of one.

    Args:
        channels: of the features that come in.
        width: channels of each pooled map, and of the result.
        upsampler: makes the operator of the second step, called as `factory(width, scale=2)`,
            see `build_upsampler`; its guide is the features. By default there is one step,
            bilinear.
        sizes: rows, and columns, of parts into which the map is cut; any grid will do.
    """

    def __init__(
        self,
        channels: int,
        width: int = 512,
        upsampler: UpsamplerFactory | None = None,
        *,
        sizes: Sequence[int] = POOL_SIZES,
    ):
        super().__init__()
        self.sizes = tuple(sizes)
        self.narrow = nn.ModuleList(conv_norm_relu(channels, width) for _ in self.sizes)
        self.upsamplers = nn.ModuleList()
        if upsampler is not None:
            self.upsamplers.extend(
                build_upsampler(upsampler, width, guide_channels=channels) for _ in self.sizes
            )
        self.mix = conv_norm_relu(channels + len(self.sizes) * width, width, 3)

    def forward(
        self, features: Float[Tensor, "b c h w"], image: Float[Tensor, "b 3 ih iw"] | None = None
    ) -> Float[Tensor, "b d h w"]:
        """On the grid of the features.

        Args:
            features: on any grid.
            image: RGB in [0, 1], covering the same area, for upsamplers that need one.

        Raises:
            ValueError: if one image is to train batch normalisation.
        """
        if self.training and len(features) == 1 and 1 in self.sizes:
            raise ValueError("batch of 1: its mean has no spread to train on; batch_size 2 or more")
        maps = [features]
        for i, (size, narrow) in enumerate(zip(self.sizes, self.narrow, strict=True)):
            pooled = narrow(adaptive_avg_pool2d(features, size))
            maps.append(self._enlarged(pooled, i, features, image))
        return self.mix(torch.cat(maps, 1))

    def _enlarged(self, pooled: Tensor, i: int, features: Tensor, image: Tensor | None) -> Tensor:
        h, w = features.shape[2], features.shape[3]
        if not self.upsamplers:
            return interpolate(pooled, (h, w), mode="bilinear")
        half = interpolate(pooled, (-(-h // 2), -(-w // 2)), mode="bilinear")
        return upsample_guided(half, self.upsamplers[i], (h, w), finer=features, image=image)
