"""Reconstruction losses of inpainting, over holes and known pixels."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d


def discounted_l1(
    predicted: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c h w"],
    weights: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, ""]:
    """Mean over all pixels of the weighted absolute error, divided by the mean weight.

    Args:
        predicted: predicted images.
        target: true images.
        weights: of the pixels, such as those of `hole_discount`.

    Returns:
        The loss; 0 if all weights are 0.
    """
    error = (predicted - target).abs().mean(1, keepdim=True) * weights
    return error.mean() / weights.mean().clamp(min=torch.finfo(weights.dtype).tiny)


def hole_discount(is_hole: Bool[Tensor, "b 1 h w"], gamma: float) -> Float[Tensor, "b 1 h w"]:
    """gamma^(distance to the nearest known pixel - 1) in holes and 0 elsewhere.

    Yu et al., CVPR 2018, arXiv:1801.07892, section 3.2, where the hole is a box and the distance is
    that to its sides. Here it is the chessboard distance of the true hole, which is the same for
    boxes inside the image.

    Args:
        is_hole: holes; an image without a known pixel has weight 1 everywhere.
        gamma: discount of one pixel, in (0, 1]. At 1 all pixels of the hole weigh the same.
    """
    weights = is_hole.float()
    has_border = (is_hole.flatten(1).any(1) & ~is_hole.flatten(1).all(1))[:, None, None, None]
    inside, depth = is_hole & has_border, 0
    while gamma < 1 and inside.any():  # one ring of pixels after the other
        weights = torch.where(inside, gamma**depth, weights)
        inside = max_pool2d((~inside).float(), 3, stride=1, padding=1) == 0
        depth += 1
    return weights


def total_variation(
    image: Float[Tensor, "b c h w"], region: Bool[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of neighbouring pixels that both lie in a region.

    Liu et al., ECCV 2018, arXiv:1804.07723, equation 6: the region is the hole, one pixel wider.

    Args:
        image: images.
        region: where differences count.

    Returns:
        The mean; 0 if no two neighbours lie in the region.
    """
    total, pairs = image.new_zeros(()), image.new_zeros(())
    for axis in (2, 3):
        n = image.shape[axis] - 1
        both = region.narrow(axis, 0, n) & region.narrow(axis, 1, n)
        difference = (image.narrow(axis, 1, n) - image.narrow(axis, 0, n)).abs()
        total = total + (difference.mean(1, keepdim=True) * both).sum()
        pairs = pairs + both.sum()
    return total / pairs.clamp(min=1)
