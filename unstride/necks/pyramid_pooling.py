"""Pyramid pooling: adds to every pixel the means over the whole image, its quarters and so on.

Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017, arXiv:1612.01105, section 3.2. With an
operator, the pooled maps are upsampled in two steps, bilinearly to half the grid and by the
operator to the full grid: Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188, section 4.2.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from unstride.necks.conv_block import conv_norm_relu
from unstride.ops.window import ceil_div
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided

POOL_SIZES = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """Concatenates features with their means over parts of the map, and mixes all by a convolution.

    The convolution is 3 x 3. The mean over the whole map is one value per image. Batch norm cannot
    be trained on it with a batch of one.

    Args:
        channels: channels of the input features.
        out_channels: channels of each pooled map, and of the result.
        upsampler: makes the operator of the second step, called as
            `factory(out_channels, scale=2)`, see `build_upsampler`. Its guide is the features.
            Default: one bilinear step.
        pool_sizes: numbers of rows, and of columns, of parts into which the map is divided. The
            grid need not be a multiple of them.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int = 512,
        upsampler: UpsamplerFactory | None = None,
        *,
        pool_sizes: Sequence[int] = POOL_SIZES,
    ):
        super().__init__()
        self.pool_sizes = tuple(pool_sizes)
        self.narrow = nn.ModuleList(conv_norm_relu(channels, out_channels) for _ in self.pool_sizes)
        self.upsamplers = nn.ModuleList()
        if upsampler is not None:
            self.upsamplers.extend(
                build_upsampler(upsampler, out_channels, guide_channels=channels)
                for _ in self.pool_sizes
            )
        self.mix = conv_norm_relu(channels + len(self.pool_sizes) * out_channels, out_channels, 3)

    def forward(
        self, features: Float[Tensor, "b c h w"], image: Float[Tensor, "b 3 ih iw"] | None = None
    ) -> Float[Tensor, "b d h w"]:
        """Pooled and mixed features, on the grid of the features.

        Args:
            features: features on any grid.
            image: RGB in [0, 1], covering the same area, for upsamplers that need one.

        Raises:
            ValueError: in training with a batch of one, if a pool size is 1.
        """
        if self.training and len(features) == 1 and 1 in self.pool_sizes:
            raise ValueError(
                "features: batch norm cannot be trained on the mean of one image; use a batch_size "
                "of 2 or more"
            )
        maps = [features]
        for i, (size, narrow) in enumerate(zip(self.pool_sizes, self.narrow, strict=True)):
            pooled = narrow(adaptive_avg_pool2d(features, size))
            maps.append(self._upsample_pooled(pooled, i, features, image))
        return self.mix(torch.cat(maps, 1))

    def _upsample_pooled(
        self, pooled: Tensor, i: int, features: Tensor, image: Tensor | None
    ) -> Tensor:
        h, w = features.shape[2], features.shape[3]
        if not self.upsamplers:
            return interpolate(pooled, (h, w), mode="bilinear")
        half = interpolate(pooled, (ceil_div(h, 2), ceil_div(w, 2)), mode="bilinear")
        return upsample_guided(
            half, self.upsamplers[i], (h, w), fine_features=features, image=image
        )
