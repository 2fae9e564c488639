"""Segment separation: how well feature distances tell whether two pixels share a segment.

Our own measure, based on the pairwise view of boundary evaluation in Martin, Fowlkes, Malik,
"Learning to detect natural image boundaries", PAMI 2004. For each distance r, it samples pairs of
pixels r apart in a row or a column. For annotator a, pairs across two segments are positive and
pairs within one are negative. AUC_a(r) is the probability that a positive pair's features are
farther apart than a negative pair's, where ties count half:

    AUC = (sum of the positives' ranks - P (P + 1) / 2) / (P N),    d(u, v) = 1 - cos(u, v).

It is 1 if the features determine the segments, and 1/2 if they carry no information. No rescaling
of distances changes it. Small r measure where the boundary is, large r what lies at its sides.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize
from torchmetrics import Metric

from unstride.metrics.checks import check_same_size

DISTANCES = (4, 8, 16, 32)


def segment_separation(
    features: Float[Tensor, "c h w"],
    segments: Int64[Tensor, "n h w"],
    *,
    distances: tuple[int, ...] = DISTANCES,
    num_pairs: int = 8192,
    seed: int = 0,
) -> Float[Tensor, " d"]:
    """The AUC of one image at each distance, mean over its annotators.

    Annotators whose pairs are all positive or all negative are left out. NaN if no annotator
    remains, and for distances that do not fit into the image. A pixel whose features are all zero
    has distance 1/2 to every other pixel.

    Args:
        features: features at the resolution of the segments.
        segments: segment ids of each annotator. A pixel below 0 has no segment; its pairs are left
            out.
        distances: distances in pixels, at least 1.
        num_pairs: number of pairs at each distance, sampled with replacement.
        seed: random seed of the pairs. They depend only on the seed and the image's size.

    Raises:
        ValueError: if the sizes differ, a distance is below 1, or features are not finite.
    """
    check_same_size(features.shape[1:], segments.shape[1:], "features and segments")
    if not distances or min(distances) < 1:
        raise ValueError(f"distances must be one or more numbers of at least 1, got {distances}")
    if num_pairs < 1:
        raise ValueError(f"num_pairs must be at least 1, got {num_pairs}")
    height, width = features.shape[1:]
    scores = []
    for distance in distances:
        generator = torch.Generator().manual_seed(seed)
        pairs = sample_pixel_pairs((height, width), distance, num_pairs, generator)
        pairs = pairs.to(features.device)
        regions = segments.flatten(1)[:, pairs]
        is_boundary_pair = regions.diff(dim=1)[:, 0] != 0
        is_labelled = (regions >= 0).all(1)
        sampled = features.flatten(1).index_select(1, pairs.flatten()).unflatten(1, pairs.shape)
        gaps = _cosine_distance(sampled)
        if is_labelled.all():
            auc = roc_auc(gaps, is_boundary_pair)
        else:
            annotators = zip(is_boundary_pair, is_labelled, strict=True)
            auc = torch.cat([roc_auc(gaps[keep], row[None, keep]) for row, keep in annotators])
        scores.append(auc.nanmean())
    return torch.stack(scores)


class SegmentSeparation(Metric):
    """Mean of `segment_separation` over images, at each distance and over distances.

    Images without a score at a distance are left out there.

    Args:
        distances: see `segment_separation`.
        num_pairs: see `segment_separation`.
        seed: see `segment_separation`.
    """

    full_state_update = False
    higher_is_better = True
    auc_sum: Tensor
    count: Tensor

    def __init__(
        self, distances: tuple[int, ...] = DISTANCES, num_pairs: int = 8192, seed: int = 0
    ) -> None:
        super().__init__()
        self.distances, self.num_pairs, self.seed = tuple(distances), num_pairs, seed
        for state in ("auc_sum", "count"):
            zeros = torch.zeros(len(distances), dtype=torch.float64)
            self.add_state(state, zeros, dist_reduce_fx="sum")

    def update(self, features: Float[Tensor, "c h w"], segments: Int64[Tensor, "n h w"]) -> None:
        """Add an image.

        Raises:
            ValueError: see `segment_separation`.
        """
        scores = segment_separation(
            features,
            segments,
            distances=self.distances,
            num_pairs=self.num_pairs,
            seed=self.seed,
        )
        self.auc_sum += scores.nan_to_num()
        self.count += ~scores.isnan()

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """`separation`, the mean over distances, and `separation_R` for each distance R."""
        means = self.auc_sum / self.count
        named = {f"separation_{d}": m for d, m in zip(self.distances, means, strict=True)}
        return {"separation": means.nanmean(), **named}


def roc_auc(scores: Float[Tensor, " p"], is_positive: Bool[Tensor, "n p"]) -> Float[Tensor, " n"]:
    """P(a positive's score > a negative's) + P(equal) / 2, exactly, for each row of labels.

    NaN for a row without positives or without negatives.
    """
    _, rank_index, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2).double()[rank_index]  # ties share their mean rank
    n_positive = is_positive.double().sum(1)
    n_negative = is_positive.shape[1] - n_positive
    wins = is_positive.double() @ ranks - n_positive * (n_positive + 1) / 2
    return wins / (n_positive * n_negative)


def sample_pixel_pairs(
    size: tuple[int, int], distance: int, count: int, generator: torch.Generator
) -> Int64[Tensor, "2 p"]:
    """Sample flat indices of two pixels a distance apart in a row or a column, uniformly.

    Empty if no pair fits into the image.
    """
    height, width = size
    across, down = height * max(width - distance, 0), max(height - distance, 0) * width
    if across + down == 0:
        return torch.zeros(2, 0, dtype=torch.int64)
    drawn = torch.randint(across + down, (count,), generator=generator).sort().values  # for caches
    span = max(width - distance, 1)
    in_row = drawn // span * width + drawn % span
    first = torch.where(drawn < across, in_row, drawn - across)
    step = torch.where(drawn < across, 1, width)
    return torch.stack([first, first + distance * step])


def _cosine_distance(pairs: Float[Tensor, "c 2 p"]) -> Float[Tensor, " p"]:
    pairs = pairs.to(torch.promote_types(pairs.dtype, torch.float32))
    # half the squared difference of unit vectors is 1 - cos, without its cancellation near 0:
    # equal features are at distance 0 exactly
    distance = normalize(pairs, dim=0).diff(dim=1)[:, 0].square().sum(0) / 2
    if not distance.isfinite().all():
        raise ValueError("features must be finite, some are infinite or NaN")
    return distance
