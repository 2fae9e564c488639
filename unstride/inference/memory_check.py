"""Checks that an image fits into memory before processing it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.tiling.memory_budget import free_memory
from unstride.tiling.peak_memory import PeakMemoryMode

UNCHECKED_PIXELS = 2_000_000  # images of up to this many pixels are not checked
TRIAL_PIXELS = (50_000, 200_000)  # pixels of the two smaller images that are tried


class MemoryCheck:
    """Estimates how much memory a function of an image needs: a line through two smaller trials.

    Args:
        function: called with an image, RGB in [0, 1].
    """

    def __init__(self, function: Callable[[Tensor], object]):
        self.function = function
        self.linear_fit: tuple[float, float] | None = None  # bytes, and bytes per pixel

    def check(self, image: Tensor, device: torch.device) -> None:
        """Raise an error if the image is large and the function needs too much memory for it.

        Args:
            image: "1 3 h w".
            device: where the function runs.

        Raises:
            ValueError: if it needs more memory than is free.
        """
        pixels = image.shape[2] * image.shape[3]
        if pixels <= UNCHECKED_PIXELS:
            return
        self.linear_fit = self.linear_fit or self._measure_fit(image.to(device))
        needed, free = self.linear_fit[0] + self.linear_fit[1] * pixels, free_memory(device)
        if needed > free:
            raise ValueError(
                f"{image.shape[3]} x {image.shape[2]} pixels need about {needed / 1e9:.1f} GB of "
                f"memory, {free / 1e9:.1f} GB are free; choose a smaller --size"
            )

    def _measure_fit(self, image: Tensor) -> tuple[float, float]:
        """Run the function on two smaller images; bytes = offset + slope * pixels."""
        trials = []
        for pixels in TRIAL_PIXELS:
            scale = (pixels / (image.shape[2] * image.shape[3])) ** 0.5
            size = [max(round(scale * side), 1) for side in image.shape[2:]]
            small = interpolate(image, size, mode="bilinear")
            # Outside of inference mode, where composite operations would not show their parts.
            with torch.inference_mode(False), torch.no_grad():
                trial_image = small.clone()
                with PeakMemoryMode() as memory:
                    self.function(trial_image)
            trials.append((small.shape[2] * small.shape[3], memory.peak_bytes))
        (fewer_pixels, fewer_bytes), (more_pixels, more_bytes) = trials
        slope = max(more_bytes - fewer_bytes, 0) / (more_pixels - fewer_pixels)
        return max(fewer_bytes - slope * fewer_pixels, 0.0), slope
