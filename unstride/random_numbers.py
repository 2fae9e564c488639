"""Draws random numbers from a seed, without a trace in torch's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers on the CPU from a seed; afterwards they go on as before.

    `torch.manual_seed` seeds GPUs too. While there is none it keeps the call stack, which takes
    milliseconds.

    Args:
        seed: any whole number.
    """
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(state)
