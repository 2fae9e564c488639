"""Angles between predicted and true normals. Fouhey, Gupta, Hebert, ICCV 2013, section 5.

Pooled over all valid pixels of the set: an image with few valid pixels counts little.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

ANGLE_THRESHOLDS = (11.25, 22.5, 30.0)  # degrees
HISTOGRAM_BINS = 18_000  # of the histogram that gives the median: of 0.01 degrees each


def angular_error(
    prediction: Float[Tensor, "*b 3 h w"], target: Float[Tensor, "*b 3 h w"]
) -> Float[Tensor, "*b h w"]:
    """Degrees in [0, 180] between vectors of any length; 90 to a prediction of zero.

    By arctangent: the arc cosine of float32 cannot tell angles below 0.03 degrees from none.
    """
    prediction, target = prediction.double(), target.double()
    along = (prediction * target).sum(-3)
    across = torch.linalg.cross(prediction, target, dim=-3).norm(dim=-3)
    nothing = (prediction == 0).all(-3)
    return torch.rad2deg(torch.atan2(across, along)).masked_fill(nothing, 90.0)


class NormalErrors(Metric):
    """Mean and median angle in degrees, and the shares of pixels below 11.25, 22.5 and 30.

    The median is exact to 0.005 degrees: of a histogram, so that memory does not grow with the
    set. All are NaN of no valid pixel.
    """

    full_state_update = False
    total: Tensor
    below: Tensor
    histogram: Tensor

    def __init__(self) -> None:
        super().__init__()
        states = {"total": 1, "below": len(ANGLE_THRESHOLDS), "histogram": HISTOGRAM_BINS}
        for state, n in states.items():
            dtype = torch.float64 if state == "total" else torch.int64
            self.add_state(state, torch.zeros(n, dtype=dtype), dist_reduce_fx="sum")

    def update(
        self, prediction: Float[Tensor, "b 3 h w"], target: Float[Tensor, "b 3 h w"]
    ) -> None:
        """Adds images.

        Args:
            prediction: vectors of any length.
            target: unit vectors, zero where unknown.

        Raises:
            ValueError: if the sizes differ, or a prediction where the target is known is no number.
        """
        if prediction.shape != target.shape:
            sizes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
            raise ValueError(f"prediction and target: {sizes}, one size is needed")
        known = (target != 0).any(1)
        angles = angular_error(prediction, target)[known]
        if angles.isnan().any():
            raise ValueError("prediction: NaN where the target is known")
        self.total += angles.sum()
        self.below += torch.stack([(angles < limit).sum() for limit in ANGLE_THRESHOLDS])
        steps = (angles * (HISTOGRAM_BINS / 180)).long().clamp(max=HISTOGRAM_BINS - 1)
        self.histogram += torch.bincount(steps, minlength=HISTOGRAM_BINS)

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """The errors by name: mean, median, below_11.25, below_22.5, below_30."""
        pixels = self.histogram.sum()
        shares = dict(zip(ANGLE_THRESHOLDS, self.below / pixels, strict=True))
        errors = {"mean": self.total[0] / pixels, "median": self._median(int(pixels))}
        return errors | {f"below_{limit:g}": share for limit, share in shares.items()}

    def _median(self, pixels: int) -> Float[Tensor, ""]:
        """The mean of the middle two, each the middle of its step."""
        if pixels == 0:
            return self.total[0] * math.nan
        upto = self.histogram.cumsum(0)
        middle = upto.new_tensor([(pixels - 1) // 2 + 1, pixels // 2 + 1])
        steps = torch.searchsorted(upto, middle)
        return (steps.double().mean() + 0.5) * (180 / HISTOGRAM_BINS)
