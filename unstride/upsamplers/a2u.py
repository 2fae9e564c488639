"""Affinity-aware upsampling: weights from second-order features, by a low-rank bilinear form.

Dai, Lu, Shen, "Learning Affinity-Aware Upsampling for Deep Image Matting", CVPR 2021,
arXiv:2011.14288, section 3. With two banks of filters u and v, an affinity of rank r at each
coarse pixel is a_r = sum over channels of act(u_r * x) act(v_r * x) / sqrt(c), where act is a
group norm and a leaky ReLU; the logits of a window's taps are sum_r p_r a_r. Filters and p are
predicted from the image as a whole (dynamic) or learned (static).

As released: rank 1, dynamic, filters shared by all channels. The static and the semi-shared
forms were not released and follow the paper; semi-shared is read here as one filter for each
group of the group norm. The released code takes x from the encoder, at the fine resolution
(pass it as the guide); without a guide x are the features themselves. Beyond the border
features are zero.
"""

from math import gcd
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, conv2d, leaky_relu

from unstride.ops import reassemble
from unstride.ops.softmax import softmax_over_taps
from unstride.upsamplers.base import (
    Downsampler,
    Reassembly,
)
from unstride.upsamplers.carafe import weights_from_logits
from unstride.upsamplers.guide import (
    check_guide,
    resize_guide,
)
from unstride.upsamplers.resize import (
    resize_nearest,
    shuffle_to_size,
)

NORM_GROUPS = 32


class Affinity(nn.Module):
    """How alike two learned views of a place are: a number per rank for each coarse pixel.

    Args:
        channels: of x, the features that are compared; any number.
        stride: of x against the coarse grid; 1 if x lies on it.
        side: of the filters; as even or odd as the stride, so that they are centred.
        rank: of the bilinear form.
        dynamic: whether the filters are predicted from the image, or learned.
        sharing: of the filters among the channels.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        side: int,
        *,
        rank: int = 1,
        dynamic: bool = True,
        sharing: Literal["shared", "semi-shared", "unshared"] = "shared",
    ):
        super().__init__()
        norm_groups = gcd(NORM_GROUPS, channels)
        kinds = {"shared": 1, "semi-shared": norm_groups, "unshared": channels}
        if sharing not in kinds:
            raise ValueError(f"sharing must be one of {', '.join(kinds)}, got {sharing!r}")
        self.stride, self.rank, self.dynamic = stride, rank, dynamic
        self.side = side - (side - stride) % 2
        self.filters = kinds[sharing]
        self.u, self.v = (self._bank(channels) for _ in range(2))
        self.norm_u, self.norm_v = (nn.GroupNorm(norm_groups, channels * rank) for _ in range(2))

    def _bank(self, channels: int) -> nn.Module | nn.Parameter:
        n = self.filters * self.rank
        if self.dynamic:
            return nn.Conv2d(channels, n, 1)
        return nn.Parameter(torch.randn(1, n, self.side, self.side) / self.side)

    def forward(self, x: Float[Tensor, "b c H W"]) -> Float[Tensor, "b r h w"]:
        """a_r = sum over channels of act(u_r * x) act(v_r * x) / sqrt(c)."""
        first = leaky_relu(self.norm_u(self.filtered(x, self.u)))
        second = leaky_relu(self.norm_v(self.filtered(x, self.v)))
        products = (first * second).unflatten(1, (x.shape[1], self.rank))
        return products.sum(1) / x.shape[1] ** 0.5

    def filtered(self, x: Float[Tensor, "b c H W"], bank) -> Float[Tensor, "b cr h w"]:
        """Each channel correlated with its filters, of this image if they are dynamic."""
        b, c = x.shape[:2]
        if isinstance(bank, nn.Module):
            filters = bank(adaptive_avg_pool2d(x, self.side))
        else:
            filters = bank.to(x).expand(b, -1, -1, -1)
        filters = filters.unflatten(1, (self.filters, 1, self.rank))
        filters = filters.expand(-1, -1, c // self.filters, -1, -1, -1).flatten(0, 3)
        out = conv2d(
            x.flatten(0, 1)[None],
            filters[:, None].to(x.dtype),
            stride=self.stride,
            padding=(self.side - self.stride) // 2,
            groups=b * c,
        )
        return out[0].unflatten(0, (b, c * self.rank))


class LogitProjection(nn.Module):
    """From an affinity to logits, sum_r p_r a_r, with p predicted from the image or learned.

    Args:
        channels: of x, from which p is predicted.
        logits: how many for each coarse pixel.
        rank: of the affinity.
        dynamic: whether p is predicted.
    """

    def __init__(self, channels: int, logits: int, rank: int = 1, dynamic: bool = True):
        super().__init__()
        self.rank = rank
        self.p: nn.Module | nn.Parameter
        if dynamic:
            self.p = nn.Conv2d(channels, rank * logits, 1)
        else:
            self.p = nn.Parameter(torch.randn(1, rank * logits, 1, 1))

    def forward(
        self, x: Float[Tensor, "b c H W"], affinity: Float[Tensor, "b r h w"]
    ) -> Float[Tensor, "b n h w"]:
        """The logits for each coarse pixel."""
        p = self.p(adaptive_avg_pool2d(x, 1)) if isinstance(self.p, nn.Module) else self.p
        return (p.unflatten(1, (-1, self.rank)) * affinity[:, None]).sum(2)


class A2UUpsample(Reassembly):
    """Weights are convex, a softmax over each window; taps beyond the border count as zero.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the fine features that predict the weights; without it the features
            predict their own.
        kernel_size: side s of the window, in input pixels; odd.
        normaliser: "sigmoid_softmax" as released, which keeps each of 9 weights between 0.044
            and 0.254; or "softmax".
        rank: of the bilinear form.
        dynamic: whether filters and projection are predicted from the image, or learned.
        sharing: of the filters among the channels: "shared", "semi-shared" or "unshared".
    """

    def __init__(
        self,
        channels: int,
        scale: int = 2,
        *,
        guide_channels: int | None = None,
        kernel_size: int = 3,
        normaliser: Literal["sigmoid_softmax", "softmax"] = "sigmoid_softmax",
        rank: int = 1,
        dynamic: bool = True,
        sharing: Literal["shared", "semi-shared", "unshared"] = "shared",
    ):
        super().__init__(channels, scale)
        self.guide_channels = guide_channels
        self.kernel_size, self.normaliser = kernel_size, normaliser
        seen, side = guide_channels or channels, scale * kernel_size
        self.affinity = Affinity(
            seen, scale if guide_channels else 1, side, rank=rank, dynamic=dynamic, sharing=sharing
        )
        self.projection = LogitProjection(seen, side**2, rank, dynamic)

    def predict_weights(self, features, guide, size):
        """From the affinity of the guide, or of the features."""
        x = features
        if self.guide_channels is not None:
            x = check_guide(guide, features, self.guide_channels, "a2u")
            h, w = features.shape[2:]
            x = resize_guide(x, (h * self.scale, w * self.scale))
        return self.predict_from(x, self.affinity(x), size)

    def predict_from(self, x, affinity, size: tuple[int, int]) -> Float[Tensor, "b 1 k k H W"]:
        """Of the windows, once the affinity is known."""
        logits = shuffle_to_size(self.projection(x, affinity), self.scale, size)
        k = self.kernel_size
        return weights_from_logits(logits.unflatten(1, (1, k, k)), self.normaliser)


class A2UDownsample(Downsampler):
    """Weights are convex, a softmax over each window; taps beyond the border count as zero.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        kernel_size: side s of the twin's window; the window here is scale * s.
        rank: of the bilinear form.
        dynamic: whether filters and projection are predicted from the image, or learned.
        sharing: of the filters among the channels: "shared", "semi-shared" or "unshared".
    """

    def __init__(
        self,
        channels: int,
        scale: int = 2,
        *,
        kernel_size: int = 3,
        rank: int = 1,
        dynamic: bool = True,
        sharing: Literal["shared", "semi-shared", "unshared"] = "shared",
    ):
        super().__init__(channels, scale)
        self.kernel_size = scale * kernel_size
        self.affinity = Affinity(
            channels, scale, self.kernel_size, rank=rank, dynamic=dynamic, sharing=sharing
        )
        self.projection = LogitProjection(channels, self.kernel_size**2, rank, dynamic)

    def predict_weights(self, features, size):
        """From the affinity of the features."""
        return self.predict_from(features, self.affinity(features), size)

    def predict_from(self, x, affinity, size: tuple[int, int]) -> Float[Tensor, "b 1 k k h w"]:
        """Of the windows, once the affinity is known."""
        logits = resize_nearest(self.projection(x, affinity), size)
        k = self.kernel_size
        return softmax_over_taps(logits.unflatten(1, (1, k, k)))


class A2UPair(nn.Module):
    """Both directions around a body, from one affinity of the fine features.

    Args:
        channels: channels c of the features.
        scale: between the two grids.
        options: of both: kernel_size, rank, dynamic, sharing; `normaliser` of the upsampler.
    """

    def __init__(self, channels: int, scale: int = 2, *, normaliser="sigmoid_softmax", **options):
        super().__init__()
        self.down = A2UDownsample(channels, scale, **options)
        self.up = A2UUpsample(
            channels, scale, guide_channels=channels, normaliser=normaliser, **options
        )
        self.up.affinity = self.down.affinity

    def forward(self, fine, body=None):
        """`body` maps the coarse features to what is then upsampled; identity by default."""
        affinity = self.down.affinity(fine)
        size = self.down.output_size(fine)
        coarse = reassemble(fine, self.down.predict_from(fine, affinity, size))
        coarse = coarse if body is None else body(coarse)
        return reassemble(coarse, self.up.predict_from(fine, affinity, tuple(fine.shape[2:])))
