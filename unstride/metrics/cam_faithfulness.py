"""Faithfulness of class-activation maps, from a classifier's scores on masked images.

Average drop and increase: Chattopadhay et al., Grad-CAM++, WACV 2018, arXiv:1710.11063, section 5.
Average gain: Zhang et al., Opti-CAM, CVIU 2024, arXiv:2301.07002.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def cam_faithfulness(
    probability: Float[Tensor, " n"], masked_probability: Float[Tensor, " n"]
) -> dict[str, Float[Tensor, ""]]:
    """Average drop, increase and gain in percent; NaN without images.

    With Y the probability of the class on the image and O that on the masked image, these are means
    over images of 100 max(0, Y - O) / Y (lower is better), 100 [O > Y], and
    100 max(0, O - Y) / (1 - Y) (higher is better). Drop is 0 where Y = 0, gain 0 where Y = 1.

    Args:
        probability: Y of each image, in [0, 1].
        masked_probability: O of each image, in [0, 1].

    Raises:
        ValueError: if the lengths differ or a value is not in [0, 1].
    """
    named = {"probability": probability, "masked_probability": masked_probability}
    if probability.shape != masked_probability.shape:
        raise ValueError(
            f"{' and '.join(named)} must have the same length, got {len(probability)} and "
            f"{len(masked_probability)}"
        )
    for name, values in named.items():
        is_outside = ~((values >= 0) & (values <= 1))
        if is_outside.any():
            raise ValueError(f"{name} must be in [0, 1], got {values[is_outside][0].item()}")
    original, masked = probability.double(), masked_probability.double()
    change = masked - original
    tiny = torch.finfo(torch.float64).tiny  # a denominator of 0 has a numerator of 0
    return {
        "average_drop": 100 * ((-change).clamp(min=0) / original.clamp(min=tiny)).mean(),
        "average_increase": 100 * (change > 0).double().mean(),
        "average_gain": 100 * (change.clamp(min=0) / (1 - original).clamp(min=tiny)).mean(),
    }
