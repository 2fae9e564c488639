"""Learned indices: soft, predicted versions of the positions that max pooling remembers.

Lu, Dai, Shen, Xu, "Indices Matter: Learning to Index for Deep Image Matting", ICCV 2019,
arXiv:1908.00672, sections 3 and 4. Written from the paper. For each sub-pixel of a coarse cell,
a branch of convolutions predicts an index I. When upsampling, y = sigmoid(I) gates the fine grid;
when downsampling, z = softmax over the cell's y gives its weights. `max_pool` and `max_unpool`
(max_pooling.py) are the hard indices that these generalise.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import reassemble
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.upsamplers.base import Downsampler, Reassembly
from unstride.upsamplers.guide import check_guide, resize_guide
from unstride.upsamplers.pair import Pair
from unstride.upsamplers.resize import resize_nearest

IndexKind = Literal["holistic", "one-to-one", "many-to-one"]


class IndexBlock(nn.Module):
    """Predicts the index of each sub-pixel of each coarse cell from fine features.

    Args:
        guide_channels: of the fine features.
        channels: of the features that the indices are for.
        scale: sub-pixels along each axis of a cell.
        kind: "holistic": one index for all channels; "one-to-one": an index per channel, from
            that channel; "many-to-one": an index per channel, from all channels.
        nonlinear: whether batch norm, ReLU6 and a 1 x 1 convolution follow the convolution.
        context: whether windows are twice as wide as a cell.
        expansion: hidden channels per channel of the fine features, if nonlinear and not
            one-to-one.
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
        expansion: int = 2,
    ):
        super().__init__()
        # if holistic, one branch predicts the indices of all sub-pixels
        out_channels = [scale**2] if kind == "holistic" else [channels] * scale**2
        if kind == "one-to-one" and channels != guide_channels:
            raise ValueError(
                f"guide_channels must be the {channels} channels of the features for one-to-one "
                f"indices, got {guide_channels}"
            )
        self.scale, self.is_holistic = scale, kind == "holistic"
        depthwise = kind == "one-to-one"
        hidden = guide_channels * (1 if depthwise else expansion) if nonlinear else None
        self.branches = nn.ModuleList(
            _index_branch(guide_channels, n, scale, hidden, depthwise=depthwise, context=context)
            for n in out_channels
        )

    def make_small(self) -> None:
        """Begin with indices that are almost zero."""
        for branch in self.branches:
            last = [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d)][-1]
            nn.init.normal_(last.weight, std=0.001)

    def forward(self, fine: Float[Tensor, "b d H W"]) -> Float[Tensor, "b g s s h w"]:
        """Sigmoids of the indices, by row and column in the cell; g is 1 if holistic, else c."""
        s = self.scale
        indices = [branch(fine) for branch in self.branches]
        stacked = indices[0][:, None] if self.is_holistic else torch.stack(indices, 2)
        if s == 1:  # windows of two pixels start before each pixel, and one starts after the last
            stacked = stacked[..., : fine.shape[2], : fine.shape[3]]
        return stacked.unflatten(2, (s, s)).sigmoid()


def _index_branch(
    in_channels: int,
    out_channels: int,
    scale: int,
    hidden: int | None,
    *,
    depthwise: bool,
    context: bool,
) -> nn.Module:
    side = 2 * scale if context else scale
    margin = (side - scale + 1) // 2  # the window of an odd scale reaches further up and left
    groups = in_channels if depthwise else 1
    if hidden is None:
        return nn.Conv2d(in_channels, out_channels, side, scale, margin, groups=groups, bias=False)
    return nn.Sequential(
        nn.Conv2d(in_channels, hidden, side, scale, margin, groups=groups, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU6(),
        nn.Conv2d(hidden, out_channels, 1, groups=groups, bias=False),
    )


class IndexUpsample(Reassembly):
    """Nearest neighbour times a gate in (0, 2) for each output pixel: positive, not convex.

    The gate begins close to 1. With the published start it is in (0, 1) and begins around a half.

    Args:
        channels: channels c of the features.
        scale: output pixels per input pixel, along each axis, unless a size is given.
        guide_channels: of the fine features that predict the gate. Default: `channels`.
        kind: of index: "many-to-one", "one-to-one" or "holistic".
        nonlinear: as for `IndexBlock`.
        context, expansion: as for `IndexBlock`.
        start: nearest, or "published", see `start.py`.
    """

    guide_channels: int
    starts = ("nearest",)

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        guide_channels: PositiveInt | None = None,
        kind: IndexKind = "many-to-one",
        nonlinear: bool = True,
        context: bool = True,
        expansion: PositiveInt = 2,
        start: Literal["nearest", "published"] = "nearest",
    ):
        super().__init__(channels, scale)
        self.start = start
        self.guide_channels = channels if guide_channels is None else guide_channels
        self.index = IndexBlock(
            self.guide_channels, channels, scale, kind=kind, nonlinear=nonlinear, context=context,
            expansion=expansion,
        )  # fmt: skip
        if start != "published":
            self.index.make_small()
        self.halo_cells = int(context)
        self.fixed_channels = kind != "holistic"

    def halo(self, grid, size, guide_size=None):
        """One cell, or none without context."""
        return self.halo_cells

    def predict_weights(self, features, guide, size):
        """Predict the weights from the index of the guide."""
        guide = check_guide(guide, features, self.guide_channels, "index")
        h, w = features.shape[2:]
        fine = resize_guide(guide, (h * self.scale, w * self.scale))
        return self.predict_gates(self.index(fine), size)

    def predict_gates(
        self, index: Float[Tensor, "b g s s h w"], size: tuple[int, int]
    ) -> Float[Tensor, "b g 1 1 H W"]:
        """Each output pixel's index, as the weight of the input pixel that it lies in."""
        fine = index.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        gates = resize_nearest(fine, size)[:, :, None, None]
        return gates if self.start == "published" else 2 * gates


class IndexDownsample(Downsampler):
    """Weights are convex: a softmax over each cell.

    Args:
        channels: channels c of the features.
        scale: input pixels per output pixel, along each axis, unless a size is given.
        kind: of index: "many-to-one", "one-to-one" or "holistic".
        nonlinear: as for `IndexBlock`.
        context, expansion: as for `IndexBlock`.
    """

    fixed_channels = True

    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kind: IndexKind = "many-to-one",
        nonlinear: bool = True,
        context: bool = True,
        expansion: PositiveInt = 2,
    ):
        super().__init__(channels, scale)
        self.index = IndexBlock(
            channels, channels, scale, kind=kind, nonlinear=nonlinear, context=context,
            expansion=expansion,
        )  # fmt: skip

    def predict_weights(self, features, size):
        """Predict the weights from the index of the features."""
        return self.predict_cell_weights(self.index(features), size)

    def predict_cell_weights(
        self, index: Float[Tensor, "b g s s h w"], size: tuple[int, int]
    ) -> Float[Tensor, "b g s s m n"]:
        """A softmax over the indices of each cell."""
        weights = index.flatten(2, 3).softmax(2).flatten(1, 2)
        return resize_nearest(weights, size).unflatten(1, index.shape[1:4])


class IndexPair(Pair):
    """Both directions around a body, from one index of the fine features.

    Args:
        channels: channels c of the features.
        scale: between the two grids.
        kind, nonlinear, context, expansion: see `IndexBlock`.
        start: see `IndexUpsample`.
    """

    down: IndexDownsample
    up: IndexUpsample

    @checked
    def __init__(
        self,
        channels: PositiveInt,
        scale: PositiveInt = 2,
        *,
        kind: IndexKind = "many-to-one",
        nonlinear: bool = True,
        context: bool = True,
        expansion: PositiveInt = 2,
        start: Literal["nearest", "published"] = "nearest",
    ):
        options: dict[str, Any] = {
            "kind": kind, "nonlinear": nonlinear, "context": context, "expansion": expansion,
        }  # fmt: skip
        down = IndexDownsample(channels, scale, **options)
        super().__init__(down, IndexUpsample(channels, scale, start=start, **options))
        self.down.index = self.up.index

    def downsample(self, fine):
        """The coarse features, and the index of the fine ones."""
        index = self.down.index(fine)
        size = self.down.output_size(fine)
        return reassemble(fine, self.down.predict_cell_weights(index, size)), index

    def shortcut(self, fine, shared):
        """The fine features times their weights in the coarse ones, as in the released code."""
        size = self.down.output_size(fine)
        weights = self.down.predict_cell_weights(shared, size)
        fine_weights = weights.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        return fine * fine_weights[:, :, : fine.shape[2], : fine.shape[3]]

    def upsample(self, coarse, fine, shared):
        """Upsample with the index that `downsample` returned."""
        size = fine.shape[2], fine.shape[3]
        return reassemble(coarse, self.up.predict_gates(shared, size))
