"""Which input pixels lie under an output pixel: the one rule every backend shares.

Pixel i covers [i, i + 1). Output pixel y of `output_size` looks at the input coordinate
s = (y + 1/2) * input_size / output_size. When upsampling, the window is centred on the
centre of the input pixel that holds s, otherwise on s itself. It starts at
floor(centre - kernel_size / 2). Rows and columns follow the rule independently.
"""

import torch
from jaxtyping import Int
from torch import Tensor


def window_start(
    input_size: int, output_size: int, kernel_size: int, device: torch.device | None = None
) -> Int[Tensor, " n"]:
    """First input index of each output index's window, along one axis.

    Lies in [-(kernel_size // 2), input_size - (kernel_size + 1) // 2], so a margin of
    `kernel_size // 2` pixels on both sides holds every window.
    """
    outputs = torch.arange(output_size, device=device)
    return _window_starts(outputs, input_size, output_size, kernel_size)


def adjoint_windows(
    input_size: int, output_size: int, kernel_size: int
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """For each input index, the first output whose window holds it, and how many do.

    They are neighbours. Outputs beyond the map, where the rule would go on, are counted in.
    """
    margin = (kernel_size + 1) * output_size // max(input_size, 1) + 2
    outputs = torch.arange(-margin, output_size + margin)
    start = _window_starts(outputs, input_size, output_size, kernel_size)
    inputs = torch.arange(input_size)
    first = torch.searchsorted(start, inputs - kernel_size + 1)
    return first - margin, torch.searchsorted(start, inputs + 1) - first


def _window_starts(outputs: Tensor, input_size: int, output_size: int, kernel_size: int) -> Tensor:
    twice = 2 * outputs + 1  # 2 (y + 1/2), kept whole
    if output_size > input_size:
        return twice * input_size // (2 * output_size) - kernel_size // 2
    # floor(s - k/2), with k added and taken off again: numerators stay positive on the map,
    # so that runtimes whose integer division truncates agree.
    span = 2 * max(output_size, 1)
    return (twice * input_size + kernel_size * output_size) // span - kernel_size
