"""Contextual attention as the layer of a network: it brings the hole to the features' grid."""

from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from unstride.ops.contextual_attention import attended_sources, contextual_attention


class ContextualAttention(nn.Module):
    """Rebuilds features from patches that touch no hole. It has no parameters.

    Args:
        propagate: whether neighbouring places share their scores, see `contextual_attention`.
        rate: step of the coarse grid on which patches are compared.
        temperature: factor of the scores before the softmax.
    """

    def __init__(self, *, propagate: bool = True, rate: int = 2, temperature: float = 10.0):
        super().__init__()
        self.options: dict[str, Any] = {
            "propagate": propagate,
            "rate": rate,
            "temperature": temperature,
        }

    def forward(
        self, features: Float[Tensor, "b c h w"], is_hole: Bool[Tensor, "b 1 H W"]
    ) -> Float[Tensor, "b c h w"]:
        """Rebuild the features from themselves.

        Args:
            features: of an image.
            is_hole: holes of the image, at any whole multiple of the features' grid.
        """
        return contextual_attention(features, features, holes_on(is_hole, features), **self.options)

    def sources(
        self, features: Float[Tensor, "b c h w"], is_hole: Bool[Tensor, "b 1 H W"]
    ) -> Int[Tensor, "b 2 y x"]:
        """Row and column of each place's strongest source, on the coarse grid."""
        return attended_sources(features, features, holes_on(is_hole, features), **self.options)


class NoAttention(nn.Module):
    """Leaves the features as they are: the control, with equally many parameters."""

    def forward(self, features: Tensor, is_hole: Tensor) -> Tensor:
        """Return the features."""
        del is_hole
        return features


def holes_on(is_hole: Tensor, features: Tensor) -> Bool[Tensor, "b 1 h w"]:
    """The cells of the features' grid in which at least one pixel is a hole."""
    return adaptive_max_pool2d(is_hole.float(), features.shape[2:]) > 0
