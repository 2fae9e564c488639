"""The calls that `make bench-operators` compares: every upsampler on two workloads.

Operators published for a scale of 2 reach 16 in four stages. Operators that take features of an
encoder get as many as channels at x2, and an image at x16, where an encoder has none so fine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unstride.upsamplers import Upsampler
from unstride.upsamplers.by_name import create_upsampler

SCALE_FREE = {
    "nearest", "bilinear", "bicubic", "nearest_conv", "bilinear_conv", "guided_filter",
    "joint_bilateral", "featup_jbu", "naf", "anyup",
}  # fmt: skip


@dataclass(frozen=True)
class Workload:
    """The size of the features, the scale, and the number of rounds in which to time operators."""

    channels: int
    grid: tuple[int, int]
    scale: int
    rounds: int

    def __str__(self):
        (h, w), s = self.grid, self.scale
        return f"{self.channels} channels, {h} x {w} to {h * s} x {w * s}"


WORKLOADS = {
    "x2": Workload(256, (64, 64), 2, 9),
    "x16": Workload(384, (28, 28), 16, 3),
}


@dataclass
class OperatorCall:
    """One call of an operator; it can be pickled before it is called.

    Its first call creates the operator and its inputs.

    Args:
        name: name of the operator.
        workload: size of the features and the scale.
        with_backward: whether to compute the gradients in features and parameters too.
    """

    name: str
    workload: Workload
    with_backward: bool = False

    @cached_property
    def _call(self) -> Callable[[], Tensor]:
        create_call = backward_call if self.with_backward else forward_call
        return create_call(self.name, self.workload)

    def __call__(self) -> Tensor:
        """Run the operator and return its result."""
        return self._call()


def create_operator(name: str, workload: Workload) -> tuple[Upsampler, Tensor, Tensor | None]:
    """Create an operator, its features, and its guide if it takes one."""
    torch.manual_seed(0)
    stages = 1 if workload.scale == 2 or name in SCALE_FREE else 4
    guide_channels = None if workload.scale == 2 else 3
    upsampler = create_upsampler(
        name, workload.channels, workload.scale, guide_channels=guide_channels, stages=stages
    )
    features = torch.randn(1, workload.channels, *workload.grid)
    features = features.contiguous(memory_format=torch.channels_last)
    guide = None
    if upsampler.guide_channels is not None:
        size = [n * workload.scale for n in workload.grid]
        guide = torch.rand(1, upsampler.guide_channels, *size)
    return upsampler.eval(), features, guide


def forward_call(name: str, workload: Workload) -> Callable[[], Tensor]:
    """Create a call of the operator without gradients."""
    upsampler, features, guide = create_operator(name, workload)

    def call():
        with torch.no_grad():
            return upsampler(features, guide)

    return call


def backward_call(name: str, workload: Workload) -> Callable[[], Tensor]:
    """Create a call with the gradients in features and parameters."""
    upsampler, features, guide = create_operator(name, workload)
    features.requires_grad_()

    def call():
        upsampler.zero_grad()
        features.grad = None
        out = upsampler(features, guide)
        out.backward(torch.ones_like(out))
        return out.detach()

    return call


def is_supported(name: str, workload: Workload) -> bool:
    """Whether the operator can be created for this workload."""
    try:
        create_operator(name, workload)
    except ValueError:
        return False
    return True
