"""Refusing images for which there is too little memory, before the machine runs out of it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.tiling.memory_budget import free_memory
from unstride.tiling.peak_memory import PeakMemoryMode

UNCHECKED_PIXELS = 2_000_000  # pixels: not worth a trial
TRIAL_PIXELS = (50_000, 200_000)  # pixels of two smaller images


class MemoryCheck:
    """How much memory a function of an image takes: a line through what two small ones took.

    Args:
        act: of an image, RGB in [0, 1].
    """

    def __init__(self, act: Callable[[Tensor], object]):
        self.act = act
        self.line: tuple[float, float] | None = None  # bytes, and bytes for each pixel

    def check(self, image: Tensor, device: torch.device) -> None:
        """Nothing, if the image is small or there is room for it.

        Args:
            image: "1 3 h w".
            device: on which the function acts.

        Raises:
            ValueError: if it would take more than there is.
        """
        pixels = image.shape[2] * image.shape[3]
        if pixels <= UNCHECKED_PIXELS:
            return
        self.line = self.line or self._tried(image.to(device))
        wanted, free = self.line[0] + self.line[1] * pixels, free_memory(device)
        if wanted > free:
            raise ValueError(
                f"{image.shape[3]} x {image.shape[2]} pixels take some {wanted / 1e9:.1f} GB of "
                f"memory, {free / 1e9:.1f} GB are free; a smaller --size takes less"
            )

    def _tried(self, image: Tensor) -> tuple[float, float]:
        taken = []
        for pixels in TRIAL_PIXELS:
            scale = (pixels / (image.shape[2] * image.shape[3])) ** 0.5
            size = [max(round(scale * side), 1) for side in image.shape[2:]]
            small = interpolate(image, size, mode="bilinear")
            # Outside of inference mode, where composite operations would not show their parts.
            with torch.inference_mode(False), torch.no_grad():
                given = small.clone()
                with PeakMemoryMode() as living:
                    self.act(given)
            taken.append((small.shape[2] * small.shape[3], living.most))
        (few, less), (many, more) = taken
        slope = max(more - less, 0) / (many - few)
        return max(less - slope * few, 0.0), slope
