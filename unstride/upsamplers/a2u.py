"""Affinity-aware upsampling: weights from second-order features, by a low-rank bilinear form.

Dai, Lu, Shen, "Learning Affinity-Aware Upsampling for Deep Image Matting", CVPR 2021,
arXiv:2011.14288, section 3. With two filter banks u and v, an affinity of rank r at each
coarse pixel is a_r = sum over channels of act(u_r * x) act(v_r * x) / sqrt(c), where act is a
group norm and a leaky ReLU. The logits of a window's taps are sum_r p_r a_r. Filters and p are
predicted from the whole image (dynamic) or learned (static).

The released code has rank 1, dynamic filters, shared by all channels. The static and the
semi-shared forms were not released and follow the paper; semi-shared is read here as one filter
for each group of the group norm. The released code takes x from the encoder, at the fine
resolution: pass it as the guide. Without a guide, x is the features themselves. Beyond the
border, features are zero.
"""

from math import gcd
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, conv2d, leaky_relu

from unstride.ops import reassemble
from unstride.ops.average_pool import average_to_size
from unstride.ops.softmax import softmax_over_taps
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import OddInt, PositiveInt
from unstride.upsamplers.base import Downsampler, Reassembly
from unstride.upsamplers.carafe import weights_from_logits
from unstride.upsamplers.guide import check_guide, resize_guide
from unstride.upsamplers.pair import Pair
from unstride.upsamplers.resize import resize_nearest, shuffle_to_size
from unstride.upsamplers.start import Start

NORM_GROUPS = 32

Sharing = Literal["shared", "semi-shared", "unshared"]
Normaliser = Literal["sigmoid_softmax", "softmax"]


class Affinity(nn.Module):
    """Similarity of two learned projections of a neighbourhood: r numbers per coarse pixel.

    Args:
        channels: of x, the features that are compared; any number.
        stride: of x relative to the coarse grid; 1 if x lies on it.
        filter_size: side of the filters. Reduced by one if its parity differs from the
            stride's, so that filters are centred.
        rank: of the bilinear form.
        dynamic: whether the filters are predicted from the image, or learned.
        sharing: of the filters among the channels.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        filter_size: int,
        *,
        rank: int = 1,
        dynamic: bool = True,
        sharing: Sharing = "shared",
    ):
        super().__init__()
        norm_groups = gcd(NORM_GROUPS, channels)
        filter_counts = {"shared": 1, "semi-shared": norm_groups, "unshared": channels}
        self.stride, self.rank, self.dynamic = stride, rank, dynamic
        self.filter_size = filter_size - (filter_size - stride) % 2
        self.num_filters = filter_counts[sharing]
        self.u, self.v = (self._filter_bank(channels) for _ in range(2))
        self.norm_u, self.norm_v = (nn.GroupNorm(norm_groups, channels * rank) for _ in range(2))

    def _filter_bank(self, channels: int) -> nn.Module | nn.Parameter:
        n, k = self.num_filters * self.rank, self.filter_size
        if self.dynamic:
            return nn.Conv2d(channels, n, 1)
        return nn.Parameter(torch.randn(1, n, k, k) / k)

    def forward(self, x: Float[Tensor, "b c H W"]) -> Float[Tensor, "b r h w"]:
        """a_r = sum over channels of act(u_r * x) act(v_r * x) / sqrt(c)."""
        first = leaky_relu(self.norm_u(self.filtered(x, self.u)))
        second = leaky_relu(self.norm_v(self.filtered(x, self.v)))
        products = (first * second).unflatten(1, (x.shape[1], self.rank))
        return products.sum(1) / x.shape[1] ** 0.5

    def filtered(self, x: Float[Tensor, "b c H W"], bank) -> Float[Tensor, "b cr h w"]:
        """Correlate each channel with its filters, which depend on the image if dynamic."""
        b, c = x.shape[:2]
        if isinstance(bank, nn.Module):
            filters = bank(average_to_size(x, (self.filter_size, self.filter_size)))
        else:
            filters = bank.to(x).expand(b, -1, -1, -1)
        filters = filters.flatten(2).unflatten(1, (self.num_filters, 1, self.rank))
        filters = filters.expand(-1, -1, c // self.num_filters, -1, -1).flatten(0, 3)
        out = conv2d(
            x.flatten(0, 1)[None],
            filters.unflatten(1, (1, *[self.filter_size] * 2)).to(x.dtype),
            stride=self.stride,
            padding=(self.filter_size - self.stride) // 2,
            groups=b * c,
        )
        return out[0].unflatten(0, (b, c * self.rank))


class LogitProjection(nn.Module):
    """Maps an affinity to logits, sum_r p_r a_r, with p predicted from the image or learned.

    Args:
        channels: of x, from which p is predicted.
        num_logits: logits per coarse pixel.
        rank: of the affinity.
        dynamic: whether p is predicted.
    """

    def __init__(self, channels: int, num_logits: int, rank: int = 1, dynamic: bool = True):
        super().__init__()
        self.rank = rank
        self.p: nn.Module | nn.Parameter
        if dynamic:
            self.p = nn.Conv2d(channels, rank * num_logits, 1)
        else:
            self.p = nn.Parameter(torch.randn(1, rank * num_logits, 1, 1))

    def make_small(self) -> None:
        """Begin with logits that are almost zero."""
        weight = self.p.weight if isinstance(self.p, nn.Conv2d) else self.p
        nn.init.normal_(weight, std=0.001)  # type: ignore[arg-type]
        if isinstance(self.p, nn.Conv2d):
            nn.init.zeros_(self.p.bias)  # type: ignore[arg-type]

    def forward(
        self, x: Float[Tensor, "b c H W"], affinity: Float[Tensor, "b r h w"]
    ) -> Float[Tensor, "b n h w"]:
        """The logits of each coarse pixel."""
        p = self.p(adaptive_avg_pool2d(x, 1)) if isinstance(self.p, nn.Module) else self.p
        return (p.unflatten(1, (-1, self.rank)) * affinity[:, None]).sum(2)


class A2UUpsample(Reassembly):
    """Weights are convex, a softmax over each window; taps beyond the border have no weight.

    With the published start these count as zero instead.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the fine features that predict the weights. Default: no guide, the
            features predict their own weights.
        kernel_size: side s of the window, in input pixels; odd.
        normaliser: "sigmoid_softmax" as released, which changes the start's weights by a factor of
            e at most (with the published start each of 9 stays between 0.044 and 0.254); or
            "softmax".
        rank: of the bilinear form.
        dynamic: whether filters and projection are predicted from the image, or learned.
        sharing: of the filters among the channels: "shared", "semi-shared" or "unshared".
        start: the interpolation that a fresh operator is, or "published", see `start.py`.
    """

    starts = ("bilinear", "bilinear_aligned", "nearest")

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        guide_channels: PositiveInt | None = None,
        kernel_size: OddInt = 3,
        normaliser: Normaliser = "sigmoid_softmax",
        rank: PositiveInt = 1,
        dynamic: bool = True,
        sharing: Sharing = "shared",
        start: Start = "bilinear",
    ):
        super().__init__(channels, scale)
        self.guide_channels, self.start = guide_channels, start
        self.kernel_size, self.normaliser = kernel_size, normaliser
        self.fixed_channels = guide_channels is None
        in_channels, side = guide_channels or channels, scale * kernel_size
        stride = scale if guide_channels else 1
        self.affinity = Affinity(
            in_channels, stride, side, rank=rank, dynamic=dynamic, sharing=sharing
        )
        self.projection = LogitProjection(in_channels, side**2, rank, dynamic)
        if start != "published":
            self.projection.make_small()

    def predict_weights(self, features, guide, size):
        """Predict the weights from the affinity of the guide, or of the features."""
        x = features
        if self.guide_channels is not None:
            x = check_guide(guide, features, self.guide_channels, "a2u")
            h, w = features.shape[2:]
            x = resize_guide(x, (h * self.scale, w * self.scale))
        return self.predict_from_affinity(x, self.affinity(x), size)

    def predict_from_affinity(
        self, predictor_input: Tensor, affinity: Tensor, size: tuple[int, int]
    ) -> Float[Tensor, "b 1 k k H W"]:
        """The weights, from an affinity that is already computed.

        Args:
            predictor_input: guide or features, whichever the affinity is of.
            affinity: of the coarse pixels.
            size: rows and columns of the output.
        """
        logits = shuffle_to_size(self.projection(predictor_input, affinity), self.scale, size)
        k, grid = self.kernel_size, (affinity.shape[2], affinity.shape[3])
        logits = logits.unflatten(1, (1, k, k))
        return weights_from_logits(logits, self.normaliser, grid, self.start)


class A2UDownsample(Downsampler):
    """Weights are convex, a softmax over each window; taps beyond the border count as zero.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        kernel_size: side s of the twin's window; the window here has side scale * s.
        rank: of the bilinear form.
        dynamic: whether filters and projection are predicted from the image, or learned.
        sharing: of the filters among the channels: "shared", "semi-shared" or "unshared".
    """

    fixed_channels = True

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kernel_size: PositiveInt = 3,
        rank: PositiveInt = 1,
        dynamic: bool = True,
        sharing: Sharing = "shared",
    ):
        super().__init__(channels, scale)
        self.kernel_size = scale * kernel_size
        self.affinity = Affinity(
            channels, scale, self.kernel_size, rank=rank, dynamic=dynamic, sharing=sharing
        )
        self.projection = LogitProjection(channels, self.kernel_size**2, rank, dynamic)

    def predict_weights(self, features, size):
        """Predict the weights from the affinity of the features."""
        return self.predict_from_affinity(features, self.affinity(features), size)

    def predict_from_affinity(
        self, predictor_input: Tensor, affinity: Tensor, size: tuple[int, int]
    ) -> Float[Tensor, "b 1 k k h w"]:
        """The weights, from an affinity that is already computed; arguments as in the twin."""
        logits = resize_nearest(self.projection(predictor_input, affinity), size)
        k = self.kernel_size
        return softmax_over_taps(logits.unflatten(1, (1, k, k)))


class A2UPair(Pair):
    """Both directions around a body, from one affinity of the fine features.

    Args:
        channels: channels c of the features.
        scale: between the two grids.
        normaliser: of the upsampler.
        kernel_size, rank, dynamic, sharing: of both, see `A2UUpsample`.
        start: of the upsampler.
    """

    down: A2UDownsample
    up: A2UUpsample

    @checked
    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        normaliser: Normaliser = "sigmoid_softmax",
        kernel_size: OddInt = 3,
        rank: PositiveInt = 1,
        dynamic: bool = True,
        sharing: Sharing = "shared",
        start: Start = "bilinear",
    ):
        options: dict[str, Any] = {
            "kernel_size": kernel_size, "rank": rank, "dynamic": dynamic, "sharing": sharing,
        }  # fmt: skip
        down = A2UDownsample(channels, scale, **options)
        up = A2UUpsample(
            channels, scale, guide_channels=channels, normaliser=normaliser, start=start, **options
        )
        super().__init__(down, up)
        self.up.affinity = self.down.affinity

    def downsample(self, fine):
        """The coarse features, and the affinity of the fine ones."""
        affinity = self.down.affinity(fine)
        size = self.down.output_size(fine)
        weights = self.down.predict_from_affinity(fine, affinity, size)
        return reassemble(fine, weights), affinity

    def upsample(self, coarse, fine, shared):
        """Upsample with the affinity that `downsample` returned."""
        size = fine.shape[2], fine.shape[3]
        return reassemble(coarse, self.up.predict_from_affinity(fine, shared, size))
