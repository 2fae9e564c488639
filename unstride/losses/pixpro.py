"""The losses of PixPro: matched cells should agree; of PixContrast: and the others should not.

Xie et al., "Propagate Yourself" (PixPro), CVPR 2021, arXiv:2011.10043, sections 3.1 and 3.2. No
code of PixContrast was released; it is written from the paper's formula. Similarities are computed
in float32.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from unstride.precision import in_full_precision

EmptyPairs = Literal["zero", "exclude"]
TEMPERATURE = 0.3
TINY = 1e-6  # as in the released code, added to the number of positives


@in_full_precision
def pixel_consistency_loss(
    predictions: Float[Tensor, "b c n"],
    targets: Float[Tensor, "b c m"],
    is_match: Bool[Tensor, "b n m"],
    *,
    scale: float = 2.0,
    empty_pairs: EmptyPairs = "zero",
) -> Float[Tensor, ""]:
    """Minus the mean cosine of matched cells of each image, averaged over images.

    PixPro adds this loss of both directions: from -4 (all agree) to 4.

    Args:
        predictions: features of the cells of one view, of any length.
        targets: those of the other view; no gradient reaches them.
        is_match: see `matched_cells`.
        scale: factor of the loss: 2 in the released code, 1 in the paper.
        empty_pairs: images without a match count as zero (the released code), or not at all.
    """
    cosines = normalize(predictions, dim=1).mT @ normalize(targets.detach(), dim=1)
    counts = is_match.sum((1, 2))
    means = (cosines * is_match).sum((1, 2)) / (counts + TINY)
    return -scale * mean_over_images(means, counts > 0, empty_pairs)


@in_full_precision
def pixel_contrast_loss(
    features: Float[Tensor, "b c n"],
    targets: Float[Tensor, "b c m"],
    is_match: Bool[Tensor, "b n m"],
    *,
    temperature: float = TEMPERATURE,
    empty_pairs: EmptyPairs = "zero",
) -> Float[Tensor, ""]:
    """Minus the log of the share of matches among all cells of the other view of the same image.

    A share is a sum of exp(cosine / temperature). The loss is a mean over cells with a match, then
    over images.

    Args:
        features: features of the cells of one view, of any length.
        targets: those of the other view; no gradient reaches them.
        is_match: see `matched_cells`.
        temperature: of the cosines, above 0.
        empty_pairs: images without a match count as zero, or not at all.
    """
    cosines = normalize(features, dim=1).mT @ normalize(targets.detach(), dim=1) / temperature
    of_matches = cosines.masked_fill(~is_match, -torch.inf).logsumexp(2)
    has_match = is_match.any(2)
    losses = torch.where(has_match, cosines.logsumexp(2) - of_matches, 0.0)
    counts = has_match.sum(1)
    return mean_over_images(losses.sum(1) / counts.clamp(min=1), counts > 0, empty_pairs)


def mean_over_images(
    values: Float[Tensor, " b"], has_match: Bool[Tensor, " b"], empty_pairs: EmptyPairs
) -> Float[Tensor, ""]:
    """The mean over all images, or over those with a match; 0 if none has one."""
    if empty_pairs == "zero":
        return values.mean()
    return (values * has_match).sum() / has_match.sum().clamp(min=1)
