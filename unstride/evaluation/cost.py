"""What a row costs: time against bilinear in the same process, and memory beyond its inputs."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstride.evaluation.bench import Bench
from unstride.evaluation.memory import peak_in_child
from unstride.evaluation.rows import Row
from unstride.upsamplers import create_upsampler

SIDE = 448  # of the image, in pixels, and of the result
ROUNDS = 3, 15  # at least, at most
SECONDS = 20.0  # after which no round begins


@dataclass
class Call:
    """An upsampler on an image of noise and features of noise, to a feature for every pixel.

    Args:
        row: whose upsampler it is; one that is fitted for each image is fitted in each call.
        bench: whose backbone's channels and stride the features have.
        side: of the image, in pixels.
    """

    up: torch.nn.Module
    channels: int
    stride: int
    side: int

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        cells = -(-self.side // self.stride)
        self.features = torch.randn(1, self.channels, cells, cells, generator=generator)
        self.guide = torch.rand(1, 3, *(2 * (cells * self.stride,)), generator=generator)

    @torch.inference_mode()
    def __call__(self) -> Tensor:
        """The features of every pixel."""
        return self.up(self.features, self.guide, (self.guide.shape[2], self.guide.shape[3]))


def cost(bench: Bench, row: Row, seeds: Sequence[int]) -> list[dict[str, float]]:
    """Time as a multiple of bilinear's, and the peak of memory in MiB; no seed changes them."""
    shape = bench.backbone.channels, bench.backbone.stride, SIDE
    call = Call(_upsampler(bench, row), *shape)
    base = Call(create_upsampler("bilinear", shape[0], shape[1]), *shape)
    own, bilinear = interleaved(call, base)
    values = {"time / bilinear": own / bilinear, "ms": 1e3 * own}
    peak = peak_in_child(call)
    if peak is not None:
        values["peak MiB"] = peak / 2**20
    return [values for _ in seeds]


def interleaved(*calls) -> list[float]:
    """The median time of each call in seconds, the calls taking turns after one to warm up."""
    times: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    for turn in range(ROUNDS[1] + 1):
        if turn > ROUNDS[0] and time.perf_counter() - begun > SECONDS:
            break
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn:
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


class _Fitted(torch.nn.Module):
    """A fit for each image, called as an upsampler is: fitted anew in each call."""

    def __init__(self, row: Row, bench: Bench):
        super().__init__()
        self.row, self.frozen = row, bench.frozen

    def forward(self, features, guide=None, size=None):
        self.row.fitted.clear()
        return self.row.upsampler(self.frozen, guide, features)(features, guide, size)


def _upsampler(bench: Bench, row: Row) -> torch.nn.Module:
    return _Fitted(row, bench) if row.module is None else row.module
