"""Shows feature maps as RGB by PCA; several maps can share one mapping and so be compared."""

import torch
from jaxtyping import Float
from torch import Tensor

MAX_SAMPLES = 20_000  # pixels from which the components are estimated
PIXELS_PER_CHUNK = 4096  # pixels that are coloured together


class PCAColours:
    """Maps features to RGB by their first three principal components.

    Args:
        features: define the mapping; the 1st and 99th percentile of each component become 0 and 1.
    """

    def __init__(self, features: Float[Tensor, "b c h w"]):
        pixels = _flatten_pixels(features.float())
        step = max(len(pixels) // MAX_SAMPLES, 1)
        pixels = pixels[::step]
        self.mean = pixels.mean(0)
        _, _, components = torch.linalg.svd(pixels - self.mean, full_matrices=False)
        components = components[:3]
        if len(components) < 3:  # fewer channels or pixels than colours
            components = torch.cat(
                [components, components.new_zeros(3 - len(components), len(self.mean))]
            )
        # A component's sign is arbitrary: fixed here so that the same features look the same.
        signs = components.gather(1, components.abs().argmax(1, keepdim=True)).sign()
        self.components = components * torch.where(signs == 0, 1, signs)
        projected = (pixels - self.mean) @ self.components.T
        self.low, self.high = projected.quantile(0.01, 0), projected.quantile(0.99, 0)

    def __call__(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
        """RGB in [0, 1]."""
        b, _, h, w = features.shape
        out = torch.empty(b, 3, h, w, device=features.device)
        # Only a few rows are copied at a time. No small tensor may outlive a chunk: it would keep
        # the allocator from reusing the chunk's memory.
        rows = max(PIXELS_PER_CHUNK // w, 1)
        for y in range(0, h, rows):
            out[:, :, y : y + rows] = self._to_rgb(features[:, :, y : y + rows])
        return out

    def _to_rgb(self, features: Tensor) -> Tensor:
        b, _, h, w = features.shape
        projected = (_flatten_pixels(features.float()) - self.mean) @ self.components.T
        colours = (projected - self.low) / (self.high - self.low).clamp(min=1e-12)
        return colours.clamp(0, 1).reshape(b, h, w, 3).permute(0, 3, 1, 2)


def _flatten_pixels(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 1).flatten(0, 2)
