"""Defines which input pixels lie in an output pixel's window. Every backend follows this rule.

Pixel i covers [i, i + 1). Output pixel y of `output_size` looks at the input coordinate
s = (y + 1/2) * input_size / output_size. When upsampling, the window is centred on the
centre of the input pixel that contains s, otherwise on s itself. It starts at
floor(centre - kernel_size / 2). Rows and columns follow the rule independently.
"""

import torch
from jaxtyping import Int
from torch import Tensor


def ceil_div(n: int, divisor: int) -> int:
    """n / divisor rounded up, for n >= 0.

    -(-n // divisor) is wrong in ONNX for a size that is not known yet, since runtimes truncate.
    """
    return (n + divisor - 1) // divisor


def window_start(
    input_size: int, output_size: int, kernel_size: int, device: torch.device | None = None
) -> Int[Tensor, " n"]:
    """First input index of each output index's window, along one axis.

    Lies in [-(kernel_size // 2), input_size - (kernel_size + 1) // 2], so a padding of
    `kernel_size // 2` pixels on both sides holds every window.
    """
    outputs = torch.arange(output_size, device=device)
    return _window_starts(outputs, input_size, output_size, kernel_size)


def adjoint_windows(
    input_size: int, output_size: int, kernel_size: int
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """For each input index, the first output whose window contains it, and the number of these.

    They are consecutive. Outputs beyond the map are counted too, as if the rule went on there.
    """
    margin = (kernel_size + 1) * output_size // max(input_size, 1) + 2
    outputs = torch.arange(-margin, output_size + margin)
    start = _window_starts(outputs, input_size, output_size, kernel_size)
    inputs = torch.arange(input_size)
    first = torch.searchsorted(start, inputs - kernel_size + 1)
    return first - margin, torch.searchsorted(start, inputs + 1) - first


def _window_starts(outputs: Tensor, input_size: int, output_size: int, kernel_size: int) -> Tensor:
    twice = 2 * outputs + 1  # 2 (y + 1/2), an integer
    if output_size > input_size:
        return twice * input_size // (2 * output_size) - kernel_size // 2
    # floor(s - k/2). Adding k first and subtracting it last keeps numerators positive on the map,
    # so that runtimes whose integer division truncates give the same result.
    span = 2 * max(output_size, 1)
    return (twice * input_size + kernel_size * output_size) // span - kernel_size
