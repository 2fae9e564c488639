"""DenseCL: contrasts cells that are matched by the backbone's own features, not by their place.

Wang et al., "Dense Contrastive Learning for Self-Supervised Visual Pre-Training", CVPR 2021,
arXiv:2011.09157, section 3. Negatives are pooled cells of other images, from a queue.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from unstride.precision import in_full_precision

TEMPERATURE = 0.2


class FeatureQueue(nn.Module):
    """The last features of other images, of length 1, as a ring.

    Args:
        channels: of the features.
        length: number of features that are kept.
    """

    features: Tensor
    position: Tensor

    def __init__(self, channels: int, length: int):
        super().__init__()
        self.register_buffer("features", normalize(torch.randn(length, channels), dim=1))
        self.register_buffer("position", torch.tensor(0))

    @torch.no_grad()
    def push(self, features: Float[Tensor, "b c"]) -> None:
        """Put features into the queue, over the oldest ones."""
        length = len(self.features)
        newest = normalize(features.float(), dim=1)[-length:]
        places = (int(self.position) + torch.arange(len(newest))) % length
        self.features[places.to(self.features.device)] = newest.to(self.features.dtype)
        self.position.fill_((int(self.position) + len(newest)) % length)


@in_full_precision
def queue_contrast_loss(
    queries: Float[Tensor, "n c"],
    keys: Float[Tensor, "n c"],
    negatives: Float[Tensor, "q c"],
    temperature: float = TEMPERATURE,
) -> Float[Tensor, ""]:
    """Cross entropy of each query's own key against the negatives; the mean over queries.

    Args:
        queries: features, of any length.
        keys: the key of each query; no gradient reaches it.
        negatives: features of other images, of length 1.
        temperature: of the cosines, above 0.
    """
    queries, keys = normalize(queries, dim=1), normalize(keys.detach(), dim=1)
    positive = (queries * keys).sum(1, keepdim=True)
    logits = torch.cat([positive, queries @ negatives.detach().clone().T], 1) / temperature
    return cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


@torch.no_grad()
def most_similar_cells(one: Float[Tensor, "b c n"], other: Float[Tensor, "b c m"]) -> Tensor:
    """For each cell of one view the cell of the other with the largest cosine, "b n"."""
    return (normalize(one, dim=1).mT @ normalize(other, dim=1)).argmax(2)
