"""The calls that `make bench` compares: reassembly and FeatUp's stack, in several formulations.

Each table maps the names of its rows to functions that create the inputs and return the call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from benchmarks.torch_baselines import (
    PublishedStack,
    tap_loop,
    unfold_einsum,
    upsample_unfold_einsum,
)
from unstride.ops import reassemble
from unstride.upsamplers import FeatUpStack
from unstride.upsamplers.by_name import create_upsampler

BASELINES = {
    "tap loop (addcmul_)": tap_loop,
    "unfold at low resolution, einsum": unfold_einsum,
    "upsample, dilated unfold, einsum": upsample_unfold_einsum,
}

Call = Callable[[], Tensor]


def forward_calls() -> dict[str, Callable[[], Call]]:
    """CARAFE's shape in each formulation."""

    def create_call(function, layout=torch.contiguous_format):
        features = torch.randn(1, 256, 64, 64).contiguous(memory_format=layout)
        weights = torch.rand(1, 1, 5, 5, 128, 128)
        torch.testing.assert_close(
            function(features, weights), tap_loop(features, weights), rtol=1e-4, atol=1e-4
        )
        return lambda: function(features, weights)

    return {
        "unstride, channels_last": lambda: create_call(reassemble, torch.channels_last),
        "unstride, contiguous": lambda: create_call(reassemble),
    } | {name: lambda f=f: create_call(f) for name, f in BASELINES.items()}


def backward_calls() -> dict[str, Callable[[], Call]]:
    """The same with the gradients of features and weights."""

    def create_call(function, layout=torch.contiguous_format):
        features = torch.randn(1, 256, 64, 64).contiguous(memory_format=layout).requires_grad_()
        weights = torch.rand(1, 1, 5, 5, 128, 128, requires_grad=True)
        cotangent = torch.ones(1, 256, 128, 128).contiguous(memory_format=layout)

        def call():
            features.grad = weights.grad = None
            out = function(features, weights)
            out.backward(cotangent)
            return out

        return call

    return {
        "unstride, channels_last": lambda: create_call(reassemble, torch.channels_last),
        "unstride, contiguous": lambda: create_call(reassemble),
    } | {name: lambda f=f: create_call(f) for name, f in BASELINES.items()}


def stack_calls() -> dict[str, Callable[[], Call]]:
    """FeatUp's stack, ours and the published order of computation, with the same parameters."""
    torch.manual_seed(0)
    stack = FeatUpStack(384, 16).eval()
    default = create_upsampler("featup_jbu", 384, 16, pretrained=False).eval()
    features, guide = torch.randn(1, 384, 28, 28), torch.rand(1, 3, 448, 448)

    def create_call(function, layout=torch.contiguous_format):
        source = features.contiguous(memory_format=layout)
        return torch.inference_mode()(lambda: function(source, guide))

    def create_checked_call():
        call, exact = create_call(stack), create_call(PublishedStack(stack))
        torch.testing.assert_close(call(), exact(), rtol=1e-3, atol=1e-3)
        return call

    return {
        "paper's variant, channels_last": lambda: create_call(stack, torch.channels_last),
        "paper's variant, contiguous": create_checked_call,
        "default variant, channels_last": lambda: create_call(default, torch.channels_last),
        "tap loop (as released, for its CUDA kernel)": lambda: create_call(PublishedStack(stack)),
    }


TABLES = {"forward": forward_calls, "backward": backward_calls, "stack": stack_calls}


@dataclass
class RowCall:
    """The call of one row of a table; it can be pickled before it is called.

    Its first call creates the inputs.

    Args:
        table: name of the table.
        row: name of the row.
    """

    table: str
    row: str

    @cached_property
    def _call(self) -> Call:
        return TABLES[self.table]()[self.row]()

    def __call__(self) -> Tensor:
        """Run the call."""
        return self._call()
