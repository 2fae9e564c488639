"""Perceptual and style losses: two images should have alike features in a fixed network.

Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV
2016, arXiv:1603.08155; with absolute differences as in Liu et al., ECCV 2018, arXiv:1804.07723,
equations 3 to 5.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

Levels = Mapping[int, Tensor]  # features by stride


def perceptual_loss(features: Levels, targets: Levels) -> Float[Tensor, ""]:
    """Sum over levels of the mean absolute difference.

    Args:
        features: of the predicted image.
        targets: of the true image, with the same levels.
    """
    return sum_over_levels(
        {stride: (maps - targets[stride]).abs().mean() for stride, maps in features.items()}
    )


def style_loss(features: Levels, targets: Levels) -> Float[Tensor, ""]:
    """Sum over levels of the mean absolute difference of Gram matrices.

    A Gram matrix holds the products of channels, summed over the map and divided by its size.

    Args:
        features: of the predicted image.
        targets: of the true image, with the same levels.
    """
    return sum_over_levels(
        {
            stride: (gram_matrix(maps) - gram_matrix(targets[stride])).abs().mean()
            for stride, maps in features.items()
        }
    )


def gram_matrix(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c c"]:
    """Products of all channels with each other, divided by the number c h w of values."""
    flat = maps.flatten(2)
    return flat @ flat.mT / flat[0].numel()


def sum_over_levels(losses: Mapping[int, Tensor]) -> Float[Tensor, ""]:
    """The sum of the levels' losses."""
    first, *others = losses.values()
    return sum(others, first)
