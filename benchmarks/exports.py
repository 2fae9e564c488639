"""`make exports`: exports every upsampler by every exporter and compares what arrives.

    python -m benchmarks.exports

Prints the table of docs/export.md: for each operator and exporter the largest difference between
the exported graph and Python, and the seconds of CPU time of the export and one run.
"""

import argparse
import logging
import warnings
from time import process_time

import torch
from torch import Tensor, nn

from benchmarks.exporters import EXPORTERS
from unstride.upsamplers.by_name import create_upsampler, list_upsamplers

CHANNELS, SCALE, GRID = 16, 2, (12, 14)


def main() -> None:
    """Print a row for each operator."""
    parser = argparse.ArgumentParser(prog="make exports", description=__doc__)
    parser.add_argument("--operators", nargs="*", default=list_upsamplers())
    names = parser.parse_args().operators
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for export in EXPORTERS.values():  # the first export of a process loads the exporter
        export(create_upsampler("bilinear", 1), (torch.zeros(1, 1, 2, 2),))
    print(f"| operator | {' | '.join(EXPORTERS)} |")
    print(f"|---|{'---|' * len(EXPORTERS)}")
    for name in names:
        print(f"| `{name}` | {' | '.join(table_cells(name))} |", flush=True)


@torch.no_grad()
def table_cells(name: str) -> list[str]:
    """The largest difference and the time of each exporter."""
    upsampler = random_upsampler(name)
    inputs = (torch.randn(1, CHANNELS, *GRID), *guides(upsampler.guide_channels))
    expected = upsampler(*inputs)
    cells = []
    for export in EXPORTERS.values():
        start = process_time()
        actual = export(upsampler, inputs)
        seconds = process_time() - start
        cells.append(f"{(actual - expected).abs().max():.0e}, {seconds:.1f} s")
    return cells


def random_upsampler(name: str) -> nn.Module:
    """An operator with random weights, since fresh ones are almost an interpolation."""
    upsampler = create_upsampler(name, CHANNELS, SCALE).eval()
    if name != "featup_jbu":  # it comes trained
        for parameter in upsampler.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return upsampler


def guides(channels: int | None) -> tuple[Tensor, ...]:
    """The guide that an operator takes, if any."""
    size = SCALE * GRID[0], SCALE * GRID[1]
    return () if channels is None else (torch.rand(1, channels, *size),)


if __name__ == "__main__":
    main()
