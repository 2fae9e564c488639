"""Faithfulness of class-activation maps: what a classifier says of the image that a map masks.

Average drop and increase: Chattopadhay et al., Grad-CAM++, WACV 2018, arXiv:1710.11063, section 5.
Average gain: Zhang et al., Opti-CAM, CVIU 2024, arXiv:2301.07002.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def cam_faithfulness(
    whole: Float[Tensor, " n"], masked: Float[Tensor, " n"]
) -> dict[str, Float[Tensor, ""]]:
    """Average drop, increase and gain in percent; NaN of no image.

    With Y the probability of the class on the image and O that on the masked image, the means over
    images of 100 max(0, Y - O) / Y (lower is better), 100 [O > Y], and 100 max(0, O - Y) / (1 - Y)
    (higher is better). Drop is 0 where Y = 0, gain 0 where Y = 1.

    Args:
        whole: Y of each image, in [0, 1].
        masked: O of each image, in [0, 1].

    Raises:
        ValueError: if their lengths differ or one is no probability.
    """
    if whole.shape != masked.shape:
        raise ValueError(f"whole and masked: {len(whole)} and {len(masked)} scores, not one each")
    for name, scores in (("whole", whole), ("masked", masked)):
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError(f"{name}: probabilities in [0, 1] are needed")
    whole, masked = whole.double(), masked.double()
    change = masked - whole
    tiny = torch.finfo(torch.float64).tiny  # a denominator of 0 has a numerator of 0
    return {
        "average_drop": 100 * ((-change).clamp(min=0) / whole.clamp(min=tiny)).mean(),
        "average_increase": 100 * (change > 0).double().mean(),
        "average_gain": 100 * (change.clamp(min=0) / (1 - whole).clamp(min=tiny)).mean(),
    }
