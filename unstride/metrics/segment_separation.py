"""Do the features of two pixels tell whether people put them into different segments?

Our measure, after the pairwise view of boundary evaluation in Martin, Fowlkes, Malik, "Learning to
detect natural image boundaries", PAMI 2004. For each distance r, pairs of pixels r apart in a row
or a column are drawn. For annotator a, the pairs in two segments are positive, those in one are
negative, and AUC_a(r) is the probability that a positive pair's features are farther apart than a
negative pair's, ties counting half:

    AUC = (sum of the positives' ranks - P (P + 1) / 2) / (P N),    d(u, v) = 1 - cos(u, v).

It is 1 if the features know the segments, 1/2 if they know nothing, and no rescaling of distances
changes it. Small r ask where the boundary is, large r what lies at its sides.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize
from torchmetrics import Metric

DISTANCES = (4, 8, 16, 32)


def segment_separation(
    features: Float[Tensor, "c h w"],
    segments: Int64[Tensor, "n h w"],
    *,
    distances: tuple[int, ...] = DISTANCES,
    pairs: int = 8192,
    seed: int = 0,
) -> Float[Tensor, " d"]:
    """The AUC of an image at each distance, the mean over its annotators.

    Annotators for whom all pairs are of one kind are left out; NaN if that leaves none, and for
    distances that do not fit into the image. A pixel whose features are all zero is at distance 1/2
    from every other one.

    Args:
        features: at the resolution of the segments.
        segments: the region ids of each annotator; pairs with a pixel below 0, which is of no
            segment, are left out.
        distances: in pixels, at least 1.
        pairs: how many are drawn at each distance, with replacement.
        seed: of the pairs, which depend on nothing else but the image's size.

    Raises:
        ValueError: if the sizes differ, a distance is below 1, or features are not finite.
    """
    if features.shape[1:] != segments.shape[1:]:
        sizes = f"{tuple(features.shape[1:])} and {tuple(segments.shape[1:])}"
        raise ValueError(f"features and segments: {sizes}, one size is needed")
    if not distances or min(distances) < 1 or pairs < 1:
        raise ValueError(f"distances {distances}, pairs {pairs}: at least one, none below 1")
    height, width = features.shape[1:]
    scores = []
    for distance in distances:
        generator = torch.Generator().manual_seed(seed)
        ends = sample_pixel_pairs((height, width), distance, pairs, generator).to(features.device)
        regions = segments.flatten(1)[:, ends]
        apart, known = regions.diff(dim=1)[:, 0] != 0, (regions >= 0).all(1)
        drawn = features.flatten(1).index_select(1, ends.flatten()).unflatten(1, ends.shape)
        far = _cosine_distance(drawn)
        if known.all():
            auc = roc_auc(far, apart)
        else:
            each = zip(apart, known, strict=True)
            auc = torch.cat([roc_auc(far[k], positive[None, k]) for positive, k in each])
        scores.append(auc.nanmean())
    return torch.stack(scores)


class SegmentSeparation(Metric):
    """The mean of `segment_separation` over images, at each distance and over distances.

    Images that have no score at a distance are left out there.

    Args:
        distances: as in `segment_separation`.
        pairs: as in `segment_separation`.
        seed: as in `segment_separation`.
    """

    full_state_update = False
    higher_is_better = True
    total: Tensor
    count: Tensor

    def __init__(
        self, distances: tuple[int, ...] = DISTANCES, pairs: int = 8192, seed: int = 0
    ) -> None:
        super().__init__()
        self.distances, self.pairs, self.seed = tuple(distances), pairs, seed
        for state in ("total", "count"):
            zeros = torch.zeros(len(distances), dtype=torch.float64)
            self.add_state(state, zeros, dist_reduce_fx="sum")

    def update(self, features: Float[Tensor, "c h w"], segments: Int64[Tensor, "n h w"]) -> None:
        """Adds an image.

        Raises:
            ValueError: as `segment_separation`.
        """
        scores = segment_separation(
            features, segments, distances=self.distances, pairs=self.pairs, seed=self.seed
        )
        self.total += scores.nan_to_num()
        self.count += ~scores.isnan()

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """`separation`, the mean over distances, and `separation_R` for each distance R."""
        means = self.total / self.count
        named = {f"separation_{d}": m for d, m in zip(self.distances, means, strict=True)}
        return {"separation": means.nanmean(), **named}


def roc_auc(scores: Float[Tensor, " p"], positive: Bool[Tensor, "n p"]) -> Float[Tensor, " n"]:
    """P(a positive's score > a negative's) + P(equal) / 2, exactly, for each row of labels.

    NaN for a row that has only one kind.
    """
    _, place, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2).double()[place]  # equal ones share their mean
    n_positive = positive.double().sum(1)
    n_negative = positive.shape[1] - n_positive
    wins = positive.double() @ ranks - n_positive * (n_positive + 1) / 2
    return wins / (n_positive * n_negative)


def sample_pixel_pairs(
    size: tuple[int, int], distance: int, pairs: int, generator: torch.Generator
) -> Int64[Tensor, "2 p"]:
    """Flat indices of pixels a distance apart in a row or a column, each such pair as likely.

    Empty if none fits.
    """
    height, width = size
    across, down = height * max(width - distance, 0), max(height - distance, 0) * width
    if across + down == 0:
        return torch.zeros(2, 0, dtype=torch.int64)
    drawn = torch.randint(across + down, (pairs,), generator=generator).sort().values  # for caches
    span = max(width - distance, 1)
    in_row = drawn // span * width + drawn % span
    first = torch.where(drawn < across, in_row, drawn - across)
    step = torch.where(drawn < across, 1, width)
    return torch.stack([first, first + distance * step])


def _cosine_distance(ends: Float[Tensor, "c 2 p"]) -> Float[Tensor, " p"]:
    ends = ends.to(torch.promote_types(ends.dtype, torch.float32))
    # half the squared difference of unit vectors is 1 - cos, without its cancellation near 0:
    # equal features are at distance 0 exactly
    distance = normalize(ends, dim=0).diff(dim=1)[:, 0].square().sum(0) / 2
    if not distance.isfinite().all():
        raise ValueError("features: some are infinite or no number")
    return distance
