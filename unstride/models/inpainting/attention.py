"""Contextual attention as the layer of a network: it brings the hole to the features' grid."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from unstride.ops.contextual_attention import attended_sources, contextual_attention

REACH = 24  # cells around a hole that the layers after the attention, and its own patches, can see


class ContextualAttention(nn.Module):
    """Rebuilds features from patches that touch no hole. It has no parameters.

    While no gradients are recorded, only what lies near the holes is rebuilt: the rectangle around
    all of them and `REACH` more cells on each side. Features farther away do not matter for what
    is filled in, and stay as they are. So the time grows with the holes.

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
        self,
        features: Float[Tensor, "b c h w"],
        is_hole: Bool[Tensor, "b 1 H W"],
        size: tuple[int, int],
    ) -> Float[Tensor, "b c h w"]:
        """Rebuild the features from themselves.

        Args:
            features: of an image.
            is_hole: holes of the image, at any whole multiple of the features' grid.
            size: height and width of the image. What lies beyond is padding, also a hole.
        """
        holes = holes_on(is_hole, features)
        if torch.is_grad_enabled() and features.requires_grad:
            return contextual_attention(features, features, holes, **self.options)
        in_image = torch.zeros_like(is_hole)
        in_image[:, :, : size[0], : size[1]] = is_hole[:, :, : size[0], : size[1]]
        to_fill = holes_on(in_image, features)
        rows, columns = (near_holes(to_fill, axis, self.options["rate"]) for axis in (2, 3))
        rebuilt = features.clone()
        rebuilt[:, :, rows, columns] = contextual_attention(
            features[:, :, rows, columns], features, holes, **self.options
        )
        return rebuilt

    def sources(
        self, features: Float[Tensor, "b c h w"], is_hole: Bool[Tensor, "b 1 H W"]
    ) -> Int[Tensor, "b 2 y x"]:
        """Row and column of each place's strongest source, on the coarse grid."""
        return attended_sources(features, features, holes_on(is_hole, features), **self.options)


class NoAttention(nn.Module):
    """Leaves the features as they are: the control, with equally many parameters."""

    def forward(self, features: Tensor, is_hole: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the features."""
        del is_hole, size
        return features


def near_holes(is_hole: Bool[Tensor, "b 1 h w"], axis: int, rate: int) -> slice:
    """The range of an axis with all holes and `REACH` more cells; it begins on the coarse grid."""
    places = is_hole.movedim(axis, 0).flatten(1).any(1).nonzero()
    if not len(places):
        return slice(0, 0)
    first = max(int(places[0]) - REACH, 0)
    return slice(first - first % rate, int(places[-1]) + REACH + 1)


def holes_on(is_hole: Tensor, features: Tensor) -> Bool[Tensor, "b 1 h w"]:
    """The cells of the features' grid in which at least one pixel is a hole."""
    return adaptive_max_pool2d(is_hole.float(), features.shape[2:]) > 0
