"""What a row costs: time against bilinear in the same process, and memory beyond its inputs."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.frozen_features import FrozenBackbone
from unstride.evaluation.process_memory import measure_peak_in_subprocess
from unstride.upsamplers.by_name import create_upsampler

IMAGE_SIZE = 448  # of the image, in pixels, and of the result
ROUNDS_RANGE = 3, 9  # at least, at most
TIME_BUDGET = 10.0  # after which no round begins


@dataclass
class UpsamplerCall:
    """An upsampler on an image of noise and features of noise, to a feature for every pixel.

    Args:
        up: what is called.
        channels: of the features.
        stride: of the features, in pixels.
        side: of the image, in pixels, rounded up to whole cells.
        device: on which it runs.
    """

    up: torch.nn.Module
    channels: int
    stride: int
    side: int = IMAGE_SIZE
    device: str = "cpu"

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        cells = -(-self.side // self.stride)
        features = torch.randn(1, self.channels, cells, cells, generator=generator)
        guide = torch.rand(1, 3, *(2 * (cells * self.stride,)), generator=generator)
        self.features, self.guide = features.to(self.device), guide.to(self.device)

    @torch.inference_mode()
    def __call__(self) -> Tensor:
        """The features of every pixel."""
        result = self.up(self.features, self.guide, (self.guide.shape[2], self.guide.shape[3]))
        if result.is_cuda:
            torch.cuda.synchronize()
        return result


def measure_cost(bench: Benchmark, row: Candidate, seeds: Sequence[int]) -> list[dict[str, float]]:
    """Time as a multiple of bilinear's, and on the CPU the peak of memory; seeds change nothing.

    Memory is in MiB and beyond the inputs, the result included.
    """
    channels, stride = bench.backbone.channels, bench.backbone.stride
    up = RefitOnCall(row, bench.backbone) if row.module is None else row.module
    call = UpsamplerCall(up, channels, stride, device=str(bench.device))
    base = UpsamplerCall(
        create_upsampler("bilinear", channels), channels, stride, device=call.device
    )
    own, bilinear = median_times(call, base)
    values = {"time / bilinear": own / bilinear, "ms": 1e3 * own}
    peak = measure_peak_in_subprocess(call) if call.device == "cpu" else None
    if peak is not None:
        values["peak MiB"] = peak / 2**20
    return [values for _ in seeds]


class RefitOnCall(torch.nn.Module):
    """A fit for each image, called as an upsampler is: it is fitted anew in each call.

    Args:
        row: that has a fit.
        backbone: to whose features it is fitted.
    """

    def __init__(self, row: Candidate, backbone: torch.nn.Module):
        super().__init__()
        self.row, self.frozen = row, FrozenBackbone(backbone)

    def forward(self, features, guide=None, size=None):
        """Fit, then upsample."""
        self.row.fitted.clear()
        return self.row.upsampler(self.frozen, guide, features)(features, guide, size)


def median_times(*calls) -> list[float]:
    """The median time of each call in seconds, the calls taking turns after one to warm up."""
    times: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    for turn in range(ROUNDS_RANGE[1] + 1):
        if turn > ROUNDS_RANGE[0] and time.perf_counter() - begun > TIME_BUDGET:
            break
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn:
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]
