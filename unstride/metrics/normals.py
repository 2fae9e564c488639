"""Angular errors of surface normals: Fouhey, Gupta, Hebert, ICCV 2013, section 5.

Errors are pooled over all valid pixels of the data set: an image with few valid pixels counts
little.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from unstride.metrics.checks import check_same_size

ANGLE_THRESHOLDS = (11.25, 22.5, 30.0)  # degrees
HISTOGRAM_BINS = 18_000  # of the histogram that gives the median: 0.01 degrees each


def angular_error(
    prediction: Float[Tensor, "*b 3 h w"], target: Float[Tensor, "*b 3 h w"]
) -> Float[Tensor, "*b h w"]:
    """Angle in degrees, in [0, 180], between vectors of any length; 90 for a prediction of zero.

    Uses the arctangent, because the arc cosine in float32 cannot tell angles below 0.03 degrees
    from 0.
    """
    prediction, target = prediction.double(), target.double()
    dot = (prediction * target).sum(-3)
    cross_norm = torch.linalg.cross(prediction, target, dim=-3).norm(dim=-3)
    is_zero = (prediction == 0).all(-3)
    return torch.rad2deg(torch.atan2(cross_norm, dot)).masked_fill(is_zero, 90.0)


class NormalErrors(Metric):
    """Mean and median angle in degrees, and the shares of pixels below 11.25, 22.5 and 30 degrees.

    The median is exact to 0.005 degrees. It comes from a histogram, so that memory does not grow
    with the data set. All are NaN without valid pixels.
    """

    full_state_update = False
    angle_sum: Tensor
    below_counts: Tensor
    histogram: Tensor

    def __init__(self) -> None:
        super().__init__()
        lengths = {
            "angle_sum": 1,
            "below_counts": len(ANGLE_THRESHOLDS),
            "histogram": HISTOGRAM_BINS,
        }
        for state, length in lengths.items():
            dtype = torch.float64 if state == "angle_sum" else torch.int64
            self.add_state(state, torch.zeros(length, dtype=dtype), dist_reduce_fx="sum")

    def update(
        self, prediction: Float[Tensor, "b 3 h w"], target: Float[Tensor, "b 3 h w"]
    ) -> None:
        """Add images.

        Args:
            prediction: vectors of any length.
            target: unit vectors, zero where unknown.

        Raises:
            ValueError: if the sizes differ, or the prediction is NaN where the target is known.
        """
        check_same_size(prediction.shape, target.shape)
        is_labelled = (target != 0).any(1)
        angles = angular_error(prediction, target)[is_labelled]
        if angles.isnan().any():
            raise ValueError("prediction must not be NaN where the target is known")
        self.angle_sum += angles.sum()
        self.below_counts += torch.stack([(angles < limit).sum() for limit in ANGLE_THRESHOLDS])
        bins = (angles * (HISTOGRAM_BINS / 180)).long().clamp(max=HISTOGRAM_BINS - 1)
        self.histogram += torch.bincount(bins, minlength=HISTOGRAM_BINS)

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """The errors by name: mean, median, below_11.25, below_22.5, below_30."""
        pixels = self.histogram.sum()
        shares = dict(zip(ANGLE_THRESHOLDS, self.below_counts / pixels, strict=True))
        errors = {"mean": self.angle_sum[0] / pixels, "median": self._median(int(pixels))}
        return errors | {f"below_{limit:g}": share for limit, share in shares.items()}

    def _median(self, pixels: int) -> Float[Tensor, ""]:
        """Mean of the two middle angles, each taken as the centre of its bin."""
        if pixels == 0:
            return self.angle_sum[0] * math.nan
        cumulative = self.histogram.cumsum(0)
        middle = cumulative.new_tensor([(pixels - 1) // 2 + 1, pixels // 2 + 1])
        bins = torch.searchsorted(cumulative, middle)
        return (bins.double().mean() + 0.5) * (180 / HISTOGRAM_BINS)
