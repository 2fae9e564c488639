"""Computes which source indices each output sums over, for the CPU kernels.

In `reassemble` and `correlate` an output pixel sums over the inputs in its window. In `scatter`,
the adjoint, an input pixel sums over the outputs whose windows contain it. For the kernels both are
the same: an output index with a range of source indices, along each axis.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from unstride.ops.window import adjoint_windows, window_start

MAX_LANES = 4  # neighbouring outputs that a kernel computes together, at most
VECTOR_REGISTERS = 30  # of a vector unit, for the weights of one pass over the channels


class SourceRanges:
    """Source indices, on the map or beyond it, that each output sums over along one axis.

    Attributes:
        first, count: output i sums over [first[i], first[i] + count[i]).
        window_start: where the forward windows start; the adjoint finds its weights with it.
        lane_offsets: start of each lane's range, relative to the first lane's. Lanes are
            neighbouring outputs that are computed together.
        fits_lanes: whether outputs i, i + 1, ... may be lanes: their ranges start at
            first[i] + lane_offsets and have the most frequent count.
        taps_per_pass: number of taps that are summed in one pass; the rest is summed tap by tap.
    """

    def __init__(self, first: Tensor, count: Tensor, window_start: Tensor):
        self.first, self.count = first.numpy(), count.numpy()
        self.window_start = window_start.numpy()
        n, self.lane_offsets, common_count = len(first), (0,), 0
        if n:
            common_count = int(np.bincount(self.count).argmax())
        self.taps_per_pass = _taps_per_pass(common_count)
        if n >= MAX_LANES:
            near = np.arange(0, n - MAX_LANES + 1, MAX_LANES)[:, None] + np.arange(MAX_LANES)
            offsets, votes = np.unique(
                self.first[near] - self.first[near[:, :1]], axis=0, return_counts=True
            )
            common_offsets = offsets[votes.argmax()].tolist()
            n_lanes = VECTOR_REGISTERS // max(self.taps_per_pass, 1)
            if common_offsets[1] >= self.taps_per_pass:  # neighbours share no source pixels
                n_lanes = 1
            self.lane_offsets = tuple(common_offsets[:n_lanes])
        n_lanes = len(self.lane_offsets)
        lanes = np.arange(n - n_lanes + 1)[:, None] + np.arange(n_lanes)
        alike = self.first[lanes] - self.first[lanes[:, :1]] == self.lane_offsets
        self.fits_lanes = np.zeros(n, bool)
        self.fits_lanes[: len(lanes)] = alike.all(1) & (self.count[lanes] == common_count).all(1)


def _taps_per_pass(count: int) -> int:
    """A number of taps whose weights fit into the registers; a divisor of `count` if possible."""
    if count <= VECTOR_REGISTERS // 2:
        return count
    return next((d for d in range(12, 5, -1) if count % d == 0), 8)


@lru_cache(maxsize=256)
def window_ranges(input_size: int, output_size: int, k: int) -> SourceRanges:
    """The inputs in each output's window."""
    start = window_start(input_size, output_size, k)
    return SourceRanges(start, torch.full_like(start, k), start)


@lru_cache(maxsize=256)
def adjoint_ranges(input_size: int, output_size: int, k: int) -> SourceRanges:
    """The outputs whose windows contain each input."""
    start = window_start(input_size, output_size, k)
    return SourceRanges(*adjoint_windows(input_size, output_size, k), start)
