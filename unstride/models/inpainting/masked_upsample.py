"""Upsamples features of which some are unknown: the mask goes through the same kernels.

Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188, section 4.3: "the mask is updated with the
content-aware kernels". Read literally ("soft"), a mask becomes fractional next to holes and at the
border. By default features are averaged over the known taps instead, and a pixel is known if any
of its taps is: the same operator where all is known, and no dark border.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.ops import reassemble
from unstride.upsamplers.base import Reassembly
from unstride.upsamplers.factory import fitting_guide, upsample_guided
from unstride.upsamplers.resize import resize_nearest

MaskRule = Literal["known", "soft"]
MIN_WEIGHT = 1e-6  # of all known taps together, below which nothing is known


def upsample_masked(
    features: Float[Tensor, "b c h w"],
    known: Float[Tensor, "b 1 h w"],
    upsampler: nn.Module,
    size: tuple[int, int],
    *,
    rule: MaskRule = "known",
    fine_features: Tensor | None = None,
    image: Tensor | None = None,
) -> tuple[Float[Tensor, "b c H W"], Float[Tensor, "b 1 H W"]]:
    """Upsample the known features and their mask.

    For an operator that is not a rule for weights, unknown features are 0 and the mask is resized
    by nearest neighbour.

    Args:
        features: on the coarse grid.
        known: 1 where they are known, 0 where not; fractions weigh them.
        upsampler: the operator.
        size: rows and columns of the result.
        rule: "known" averages over known taps; "soft" is the literal reading.
        fine_features: features on the finer grid, tried first as the operator's guide.
        image: RGB in [0, 1], tried next.

    Returns:
        The features, and where they are known: 0 or 1, or with "soft" the weight of known taps.
    """
    present = features * known
    if not isinstance(upsampler, Reassembly):
        up = upsample_guided(present, upsampler, size, fine_features=fine_features, image=image)
        return up, resize_nearest(known, size)
    guide = fitting_guide(upsampler, fine_features=fine_features, image=image)
    weights = upsampler.predict_weights(present, guide, size)
    up = reassemble(present, weights)
    with torch.no_grad():
        mask_weights = weights if weights.shape[1] == 1 else weights.mean(1, keepdim=True)
        share = reassemble(known.detach(), mask_weights)
    if rule == "soft":
        return up, share
    share_with_gradient = reassemble(known.expand_as(features), weights)
    is_known = share > MIN_WEIGHT
    up = up / torch.where(is_known, share_with_gradient, 1.0)
    return up.masked_fill(~is_known, 0), is_known.to(features)
