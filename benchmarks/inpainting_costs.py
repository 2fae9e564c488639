"""`make inpainting-costs`: time and memory of filling a hole; results in docs/inpainting.md.

    python -m benchmarks.inpainting_costs --threads 2

Fills a box of a quarter of each side, in the middle, with the network that comes with the package
and with OpenCV. Times are medians of calls in turns; memory is the peak beyond the inputs, of a
second call in a process of its own.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from unstride.evaluation.process_memory import measure_peak_in_subprocess
from unstride.evaluation.timing import median_times
from unstride.inference.classical_inpainting import CLASSICAL
from unstride.inference.inpaint import DEFAULT_MODEL
from unstride.models.inpainting.by_name import read_inpainter

SIZES = (256, 256), (512, 512), (1024, 1024), (1600, 2560)
CLASSICAL_METHODS = "telea", "navier_stokes"
NETWORK = "the package's network"


def main() -> None:
    """Measure every method at every size and print the table."""
    parser = argparse.ArgumentParser(
        prog="make inpainting-costs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="timed calls each (default: 5)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    titles = [f"{w} x {h}" for h, w in SIZES]
    print(f"| method | {' | '.join(titles)} |\n|{'---|' * (len(SIZES) + 1)}")
    cells: dict[str, list[str]] = {}
    for size in SIZES:
        calls = {name: call_of(name, size) for name in (NETWORK, *CLASSICAL_METHODS)}
        seconds = median_times(calls, options.rounds)
        for name, call in calls.items():
            peak = measure_peak_in_subprocess(call, options.threads)
            memory = "" if peak is None else f", {peak / 2**20:.0f} MiB"
            cells.setdefault(name, []).append(f"{seconds[name]:.2f} s{memory}")
    for name, row in cells.items():
        print(f"| {name} | {' | '.join(row)} |")


def call_of(name: str, size: tuple[int, int]) -> Callable[[], Tensor]:
    """What fills the hole of an image of this size."""
    h, w = size
    image = torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(0))
    is_hole = torch.zeros(1, 1, h, w, dtype=torch.bool)
    is_hole[..., 3 * h // 8 : 5 * h // 8, 3 * w // 8 : 5 * w // 8] = True
    if name != NETWORK:
        return partial(CLASSICAL[name], image, is_hole)
    network = read_inpainter(DEFAULT_MODEL).eval().requires_grad_(False)
    return partial(network, image, is_hole)


if __name__ == "__main__":
    main()
