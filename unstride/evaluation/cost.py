"""Measures what an upsampler costs: time relative to bilinear, and memory beyond its inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.frozen_features import FrozenBackbone
from unstride.evaluation.process_memory import measure_peak_in_subprocess
from unstride.evaluation.timing import median_times
from unstride.upsamplers.by_name import create_upsampler

IMAGE_SIZE = 448  # side of the image, and of the result, in pixels
ROUNDS_RANGE = 3, 9  # smallest and largest number of rounds
TIME_BUDGET = 10.0  # seconds after which no further round begins


@dataclass
class UpsamplerCall:
    """Calls an upsampler on random features and a random image, for a feature at every pixel.

    Args:
        upsampler: the upsampler to call.
        channels: number of channels of the features.
        stride: stride of the features in pixels.
        image_size: side of the image in pixels, rounded up to whole cells. Default: 448.
        device: device on which it runs. Default: "cpu".
    """

    upsampler: torch.nn.Module
    channels: int
    stride: int
    image_size: int = IMAGE_SIZE
    device: str = "cpu"

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        cells = -(-self.image_size // self.stride)
        features = torch.randn(1, self.channels, cells, cells, generator=generator)
        guide = torch.rand(1, 3, *(2 * (cells * self.stride,)), generator=generator)
        self.features, self.guide = features.to(self.device), guide.to(self.device)

    @torch.inference_mode()
    def __call__(self) -> Tensor:
        """Return the feature of every pixel."""
        size = self.guide.shape[2], self.guide.shape[3]
        result = self.upsampler(self.features, self.guide, size)
        if result.is_cuda:
            torch.cuda.synchronize()
        return result


def measure_cost(
    benchmark: Benchmark, candidate: Candidate, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """Measure time as a multiple of bilinear's and, on the CPU, the peak of memory.

    Memory is in MiB, beyond the inputs and with the result. The values are the same for every
    seed.
    """
    backbone, device = benchmark.backbone, str(benchmark.device)
    module = RefitOnCall(candidate, backbone) if candidate.module is None else candidate.module
    bilinear = create_upsampler("bilinear", backbone.channels)
    call, baseline = (
        UpsamplerCall(upsampler, backbone.channels, backbone.stride, device=device)
        for upsampler in (module, bilinear)
    )
    min_rounds, max_rounds = ROUNDS_RANGE
    seconds = median_times(
        {"candidate": call, "bilinear": baseline},
        max_rounds, min_rounds=min_rounds, time_budget=TIME_BUDGET,
    )  # fmt: skip
    values = {
        "time / bilinear": seconds["candidate"] / seconds["bilinear"],
        "ms": 1e3 * seconds["candidate"],
    }
    peak = measure_peak_in_subprocess(call) if device == "cpu" else None
    if peak is not None:
        values["peak MiB"] = peak / 2**20
    return [values for _ in seeds]


class RefitOnCall(torch.nn.Module):
    """Fits a candidate to the image again in every call; called as an upsampler is.

    Args:
        candidate: a candidate with a `fit`.
        backbone: the backbone whose features it is fitted to.
    """

    def __init__(self, candidate: Candidate, backbone: torch.nn.Module):
        super().__init__()
        self.candidate, self.backbone = candidate, FrozenBackbone(backbone)

    def forward(self, features, guide=None, size=None):
        """Fit to the guide, then upsample."""
        self.candidate.fit_cache.clear()
        upsampler = self.candidate.upsampler_for(self.backbone, guide, features)
        return upsampler(features, guide, size)
