"""Supervised losses for classes, depth and normals. Pixels without a label are ignored."""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from unstride.formats.labels import UNLABELLED


def pixel_cross_entropy(
    logits: Float[Tensor, "b n h w"], labels: Int64[Tensor, "b h w"]
) -> Float[Tensor, ""]:
    """Cross entropy, mean over labelled pixels; 0 if a batch has none.

    Args:
        logits: class logits.
        labels: class indices, or UNLABELLED.
    """
    total = cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp(min=1)


def scale_invariant_log_loss(
    prediction: Float[Tensor, "b h w"],
    target: Float[Tensor, "b h w"],
    *,
    variance_focus: float = 0.85,
) -> Float[Tensor, ""]:
    """mean d^2 - variance_focus (mean d)^2, with d = log prediction - log target.

    NaN if no pixel is labelled. Eigen, Puhrsch, Fergus, NeurIPS 2014, arXiv:1406.2283, equation 4,
    over all labelled pixels of the batch. Their factor is 0.5; that of BTS (Lee et al. 2019,
    arXiv:1907.10326) is 0.85.

    Args:
        prediction: metres, above 0.
        target: metres, 0 = unknown.
        variance_focus: how much of an error of the overall scale is ignored, from 0 to 1.
    """
    is_labelled = target > 0
    difference = prediction[is_labelled].log() - target[is_labelled].log()
    return difference.square().mean() - variance_focus * difference.mean().square()


def cosine_loss(
    prediction: Float[Tensor, "b 3 h w"], target: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, ""]:
    """Mean of 1 - cosine of the angle between normals, in [0, 2]; NaN if no pixel is labelled.

    Args:
        prediction: vectors of any length.
        target: unit vectors, zero where unknown.
    """
    is_labelled = (target != 0).any(1)
    return (1 - cosine_similarity(prediction, target, dim=1))[is_labelled].mean()
