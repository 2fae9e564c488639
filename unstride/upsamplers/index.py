"""Learned indices: what max pooling remembers, predicted and soft.

Lu, Dai, Shen, Xu, "Indices Matter: Learning to Index for Deep Image Matting", ICCV 2019,
arXiv:1908.00672, sections 3 and 4. Written from the paper. For each sub-pixel of a coarse cell
a branch of convolutions gives an index I; y = sigmoid(I) gates the fine grid when upsampling,
z = softmax over the cell's y weights it when downsampling. `max_pool` and `max_unpool` are the
hard indices that these generalise.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import reassemble
from unstride.upsamplers.base import (
    Downsampler,
    Reassembly,
)
from unstride.upsamplers.guide import (
    check_guide,
    resize_guide,
)
from unstride.upsamplers.resize import resize_nearest

IndexKind = Literal["holistic", "one-to-one", "many-to-one"]


class IndexBlock(nn.Module):
    """The index of each sub-pixel of each coarse cell, from fine features.

    Args:
        guide_channels: of the fine features.
        channels: of the features that the indices are for.
        scale: sub-pixels along each axis of a cell.
        kind: "holistic", one index for all channels; "one-to-one", each channel's from that
            channel; "many-to-one", each channel's from all.
        nonlinear: whether a second, 1 x 1 convolution follows, after a norm and a ReLU6.
        context: whether windows are twice as wide as a cell.
    """

    def __init__(
        self,
        guide_channels: int,
        channels: int,
        scale: int = 2,
        *,
        kind: IndexKind = "many-to-one",
        nonlinear: bool = True,
        context: bool = True,
    ):
        super().__init__()
        d, c, depthwise = guide_channels, channels, kind == "one-to-one"
        if depthwise and c != d:
            raise ValueError(
                f"guide_channels must be the {c} channels of the features for one-to-one "
                f"indices, got {d}"
            )
        side = 2 * scale if context else scale
        margin = (side - scale + 1) // 2  # an odd scale's window reaches further up and left
        self.scale = scale

        def branch(out: int) -> nn.Module:
            groups = d if depthwise else 1
            if not nonlinear:
                return nn.Conv2d(d, out, side, scale, margin, groups=groups, bias=False)
            hidden = d if depthwise else 2 * d
            return nn.Sequential(
                nn.Conv2d(d, hidden, side, scale, margin, groups=groups, bias=False),
                nn.BatchNorm2d(hidden),
                nn.ReLU6(),
                nn.Conv2d(hidden, out, 1, groups=groups, bias=False),
            )

        if kind == "holistic":  # one branch says all sub-pixels' indices
            self.branches = nn.ModuleList([branch(scale**2)])
        elif kind in ("one-to-one", "many-to-one"):
            self.branches = nn.ModuleList([branch(c) for _ in range(scale**2)])
        else:
            raise ValueError(
                f"kind must be 'holistic', 'one-to-one' or 'many-to-one', got {kind!r}"
            )

    def forward(self, fine: Float[Tensor, "b d H W"]) -> Float[Tensor, "b g s s h w"]:
        """Sigmoids of the indices, by row and column within the cell; g is 1 if holistic."""
        s = self.scale
        indices = [branch(fine) for branch in self.branches]
        stacked = indices[0][:, None] if len(indices) == 1 else torch.stack(indices, 2)
        return stacked.unflatten(2, (s, s)).sigmoid()


class IndexUpsample(Reassembly):
    """Nearest neighbour times a gate in (0, 1) for each output pixel: positive, not convex.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the fine features that predict the gate; by default as many as
            `channels`.
        kind: of index: "many-to-one", "one-to-one" or "holistic".
        nonlinear: as for `IndexBlock`.
        context: as for `IndexBlock`.
    """

    guide_channels: int

    def __init__(
        self,
        channels: int,
        scale: int = 2,
        *,
        guide_channels: int | None = None,
        kind: IndexKind = "many-to-one",
        nonlinear: bool = True,
        context: bool = True,
    ):
        super().__init__(channels, scale)
        self.guide_channels = channels if guide_channels is None else guide_channels
        self.index = IndexBlock(
            self.guide_channels, channels, scale, kind=kind, nonlinear=nonlinear, context=context
        )
        self.reach = int(context)

    def halo(self, grid, size, seen=None):
        """A cell, or none without context."""
        return self.reach

    def predict_weights(self, features, guide, size):
        """From the index of the guide."""
        guide = check_guide(guide, features, self.guide_channels, "index")
        h, w = features.shape[2:]
        fine = resize_guide(guide, (h * self.scale, w * self.scale))
        return self.predict_gates(self.index(fine), size)

    def predict_gates(
        self, index: Float[Tensor, "b g s s h w"], size: tuple[int, int]
    ) -> Float[Tensor, "b g 1 1 H W"]:
        """Each output pixel's own index, as the weight of the input pixel it lies in."""
        fine = index.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        return resize_nearest(fine, size)[:, :, None, None]


class IndexDownsample(Downsampler):
    """Weights are convex: a softmax over each cell.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        kind: of index: "many-to-one", "one-to-one" or "holistic".
        nonlinear: as for `IndexBlock`.
        context: as for `IndexBlock`.
    """

    def __init__(
        self,
        channels: int,
        scale: int = 2,
        *,
        kind: IndexKind = "many-to-one",
        nonlinear: bool = True,
        context: bool = True,
    ):
        super().__init__(channels, scale)
        self.index = IndexBlock(
            channels, channels, scale, kind=kind, nonlinear=nonlinear, context=context
        )

    def predict_weights(self, features, size):
        """From the index of the features."""
        return self.predict_shares(self.index(features), size)

    def predict_shares(
        self, index: Float[Tensor, "b g s s h w"], size: tuple[int, int]
    ) -> Float[Tensor, "b g s s m n"]:
        """The softmax of each cell's indices."""
        weights = index.flatten(2, 3).softmax(2).flatten(1, 2)
        return resize_nearest(weights, size).unflatten(1, index.shape[1:4])


class IndexPair(nn.Module):
    """Both directions around a body, from one index of the fine features.

    Args:
        channels: channels c of the features.
        scale: between the two grids.
        options: of `IndexBlock`: kind, nonlinear, context.
    """

    def __init__(self, channels: int, scale: int = 2, **options):
        super().__init__()
        self.down = IndexDownsample(channels, scale, **options)
        self.up = IndexUpsample(channels, scale, **options)
        self.up.index = self.down.index

    def forward(self, fine, body=None):
        """`body` maps the coarse features to what is then upsampled; identity by default."""
        index = self.down.index(fine)
        size = self.down.output_size(fine)
        coarse = reassemble(fine, self.down.predict_shares(index, size))
        coarse = coarse if body is None else body(coarse)
        return reassemble(coarse, self.up.predict_gates(index, (fine.shape[2], fine.shape[3])))
