"""Losses of classes, depth and normals with labels; what is unknown does not count."""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from unstride.formats.labels import UNLABELLED


def pixel_cross_entropy(
    logits: Float[Tensor, "b n h w"], labels: Int64[Tensor, "b h w"]
) -> Float[Tensor, ""]:
    """Cross entropy, mean over labelled pixels; 0 if there is none, so that a batch may have none.

    Args:
        logits: of the classes.
        labels: classes, or UNLABELLED.
    """
    total = cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp(min=1)


def scale_invariant_log_loss(
    prediction: Float[Tensor, "b h w"], target: Float[Tensor, "b h w"], *, share: float = 0.85
) -> Float[Tensor, ""]:
    """mean d^2 - share (mean d)^2 of d = log prediction - log target; NaN of no known pixel.

    Eigen, Puhrsch, Fergus, NeurIPS 2014, arXiv:1406.2283, equation 4, over all known pixels of the
    batch; their share is 0.5, that of BTS (Lee et al. 2019, arXiv:1907.10326) 0.85.

    Args:
        prediction: metres, above 0.
        target: metres, 0 = unknown.
        share: how much of an error of the scale is forgiven, from 0 to 1.
    """
    known = target > 0
    difference = prediction[known].log() - target[known].log()
    return difference.square().mean() - share * difference.mean().square()


def cosine_loss(
    prediction: Float[Tensor, "b 3 h w"], target: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, ""]:
    """Mean of 1 - cosine of the angle between normals, in [0, 2]; NaN of no known pixel.

    Args:
        prediction: vectors of any length.
        target: unit vectors, zero where unknown.
    """
    known = (target != 0).any(1)
    return (1 - cosine_similarity(prediction, target, dim=1))[known].mean()
