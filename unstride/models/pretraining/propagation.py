"""The pixel propagation module of PixPro: each cell becomes a sum over cells that look like it.

Xie et al., "Propagate Yourself" (PixPro), CVPR 2021, arXiv:2011.10043, section 3.2, equations 3 and
4. Two things only the released code shows: what is summed has length 1, and so has the result.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from unstride.precision import in_full_precision, upcast_half

EPSILON = 1e-6  # added before a power below 1, whose slope at 0 is infinite


class PixelPropagation(nn.Module):
    """y_i = sum_j max(cos(x_i, x_j), 0)^gamma g(x_j) over all cells j of the view, i included.

    Args:
        channels: of the cells.
        gamma: sharpness of the similarity, above 0.
        layers: of the transform g: 0 (the identity), 1 (a 1 x 1 convolution), or 2 (with batch norm
            and ReLU between).

    Raises:
        ValueError: if gamma or layers have another value.
    """

    def __init__(self, channels: int = 256, *, gamma: float = 2.0, layers: int = 1):
        super().__init__()
        if not gamma > 0:
            raise ValueError(f"gamma must be above 0, got {gamma}")
        if layers not in (0, 1, 2):
            raise ValueError(f"layers must be 0, 1 or 2, got {layers}")
        self.gamma = gamma
        convolutions: list[nn.Module] = [nn.Conv2d(channels, channels, 1) for _ in range(layers)]
        if layers == 2:
            convolutions[1:1] = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        self.transform = nn.Sequential(*convolutions)

    def forward(self, cells: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The propagated cells, of length 1."""
        similarity = self.similarity(cells)
        values = normalize(upcast_half(self.transform(cells)), dim=1).flatten(2)
        with torch.autocast(cells.device.type, enabled=False):
            propagated = values.to(similarity.dtype) @ similarity.mT
        return normalize(propagated, dim=1).view_as(cells)

    def similarity(self, cells: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n n"]:
        """max(cos(x_i, x_j), 0)^gamma of all pairs of cells, in float32 at least."""
        return propagation_similarity(cells, self.gamma)


@in_full_precision
def propagation_similarity(cells: Float[Tensor, "b c h w"], gamma: float) -> Float[Tensor, "b n n"]:
    """max(cos(x_i, x_j), 0)^gamma of all pairs of cells."""
    directions = normalize(cells, dim=1).flatten(2)
    cosines = (directions.mT @ directions).clamp(min=0)
    return (cosines + EPSILON).pow(gamma) if gamma < 1 else cosines.pow(gamma)


@torch.no_grad()
def attention_entropy(similarity: Float[Tensor, "b n m"]) -> Float[Tensor, ""]:
    """Mean entropy of the cells' weights as a share of that of equal weights.

    0: each cell takes from one cell only; 1: from all alike, so that propagation blurs everything.
    """
    shares = similarity / similarity.sum(2, keepdim=True).clamp(min=EPSILON)
    entropy = torch.special.entr(shares).sum(2).mean()
    return entropy / torch.tensor(float(similarity.shape[2])).log().clamp(min=EPSILON)
