"""Losses of whole images: two views of one image should be alike.

`byol_loss`: Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, arXiv:2006.07733, equation 2.
`simclr_loss`: Chen et al., "A Simple Framework for Contrastive Learning of Visual
Representations", ICML 2020, arXiv:2002.05709, equation 1, with a momentum encoder's targets.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

from unstride.precision import in_full_precision

TEMPERATURE = 0.2


@in_full_precision
def byol_loss(
    predictions: Float[Tensor, "b c"], targets: Float[Tensor, "b c"]
) -> Float[Tensor, ""]:
    """Minus twice the mean cosine of predictions and targets; no gradient reaches the targets."""
    return -2 * cosine_similarity(predictions, targets.detach(), dim=1).mean()


@in_full_precision
def simclr_loss(
    features: Float[Tensor, "b c"], targets: Float[Tensor, "b c"], temperature: float = TEMPERATURE
) -> Float[Tensor, ""]:
    """Cross entropy of each image's own target against those of the batch's other images."""
    cosines = normalize(features, dim=1) @ normalize(targets.detach(), dim=1).T
    own = torch.arange(len(features), device=features.device)
    return cross_entropy(cosines / temperature, own)
