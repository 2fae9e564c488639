"""Contextual attention: rebuilds each place of a map from similar patches of known places.

Yu, Lin, Yang, Shen, Lu, Huang, "Generative Image Inpainting with Contextual Attention", CVPR 2018,
arXiv:1801.07892, section 4. Every 3 x 3 patch of a coarse map is compared with all patches that
touch no hole. The softmax of the similarities weighs the patches of the fine map that are pasted.

Differences from the authors' code: each image has its own hole, which does not vanish where the
mask is shrunk; patches that touch it have no weight at all; scores are not propagated from the end
of one row to the start of the next; pasted patches are averaged over what they cover, so that a
constant map stays constant up to the border; an image without a known patch keeps its features.

The dot product of two patches is a sum of dot products of pixels at equal shifts, and so is the
propagation of scores. So all scores are one matrix product and sums along its diagonals.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad, pixel_shuffle, pixel_unshuffle

from unstride.ops.window import ceil_div
from unstride.precision import in_full_precision

MIN_NORM = 1e-4  # of a patch, by which its scores are divided
HALO = 2  # rows beyond a strip that its scores depend on: one for the patch, one for propagation
STRIP_SCORES = 2**23  # scores of a strip, unless gradients are recorded

Scores = Float[Tensor, "b y x Y X"]  # of a place (y, x) and a source (Y, X), on the coarse grids


@in_full_precision
def contextual_attention(
    features: Float[Tensor, "b c h w"],
    sources: Float[Tensor, "b c H W"],
    is_hole: Bool[Tensor, "b 1 H W"],
    *,
    rate: int = 2,
    temperature: float = 10.0,
    propagate: bool = True,
    strip_rows: int | None = None,
) -> Float[Tensor, "b c h w"]:
    """Rebuild features from the patches of `sources` that look alike: a convex combination.

    Args:
        features: what is rebuilt, on a grid of any size.
        sources: where patches come from, usually the features themselves.
        is_hole: where `sources` are unknown. Patches that touch a hole are not used.
        rate: step of the coarse grid on which patches are compared; pasted patches have twice
            that side.
        temperature: factor of the scores before the softmax.
        propagate: add the scores of the neighbours to the left, right, above and below with the
            equally shifted sources, which favours large patches.
        strip_rows: rows of the coarse grid that are computed at once; fewer take less memory and
            give the same result. Default: all if gradients are recorded, otherwise as many as take
            some hundred megabytes.

    Returns:
        The rebuilt features; unchanged in images whose sources have no patch without a hole.

    Raises:
        ValueError: if the shapes do not fit each other, or a number is not at least 1.
    """
    _check(features, sources, is_hole, rate, strip_rows)
    is_valid = known_patches(is_hole, rate)
    cells = _cells_and_coverage(sources, rate)
    canvas = features.new_zeros(
        len(features), *(ceil_div(n, rate) + 1 for n in features.shape[2:]), cells.shape[2]
    )
    strips = _attention_strips(
        features, sources, is_valid, rate, temperature, propagate, strip_rows
    )
    for top, weights in strips:
        shared = _sum_of_patches(weights)
        pasted = shared.flatten(3).flatten(1, 2) @ cells
        rows = shared.shape[1]
        canvas[:, top : top + rows] += pasted.unflatten(1, (rows, -1))
    maps = pixel_shuffle(canvas.movedim(3, 1), rate)
    before, (h, w) = rate // 2, features.shape[2:]
    maps = maps[:, :, before : before + h, before : before + w]
    covered = maps[:, -1:] > MIN_NORM
    rebuilt = maps[:, :-1] / torch.where(covered, maps[:, -1:], 1.0)
    has_sources = is_valid.any(1)[:, None, None, None]
    return torch.where(covered & has_sources, rebuilt, features)


@torch.no_grad()
@in_full_precision
def attended_sources(
    features: Float[Tensor, "b c h w"],
    sources: Float[Tensor, "b c H W"],
    is_hole: Bool[Tensor, "b 1 H W"],
    *,
    rate: int = 2,
    temperature: float = 10.0,
    propagate: bool = True,
    strip_rows: int | None = None,
) -> Int[Tensor, "b 2 y x"]:
    """Row and column of the source with the largest weight, for each place of the coarse grid.

    The arguments are those of `contextual_attention`. Where an image has no patch without a hole,
    every place is its own source.
    """
    _check(features, sources, is_hole, rate, strip_rows)
    is_valid = known_patches(is_hole, rate)
    strips = _attention_strips(
        features, sources, is_valid, rate, temperature, propagate, strip_rows
    )
    indices = torch.cat([weights.flatten(3).argmax(3) for _, weights in strips], 1)
    columns = ceil_div(sources.shape[3], rate)
    found = torch.stack([indices // columns, indices % columns], 1)
    own = torch.meshgrid(*(torch.arange(n) for n in found.shape[2:]), indexing="ij")
    has_sources = is_valid.any(1)[:, None, None, None]
    return torch.where(has_sources, found, torch.stack(own).to(found.device))


def known_patches(is_hole: Bool[Tensor, "b 1 H W"], rate: int) -> Bool[Tensor, "b s"]:
    """Which 3 x 3 patches of the coarse grid touch no hole; a cell is one if any of its pixels is.

    Args:
        is_hole: on the fine grid.
        rate: step of the coarse grid.
    """
    coarse = max_pool2d(is_hole.float(), rate, ceil_mode=True)
    return max_pool2d(coarse, 3, stride=1, padding=1).flatten(1) == 0


def _attention_strips(
    features: Tensor,
    sources: Tensor,
    is_valid: Tensor,
    rate: int,
    temperature: float,
    propagate: bool,
    strip_rows: int | None,
) -> Iterator[tuple[int, Scores]]:
    """The first row of each strip of the coarse grid, and the weights of its sources."""
    queries, keys = features[:, :, ::rate, ::rate], sources[:, :, ::rate, ::rate]
    energy = avg_pool2d(keys.square().sum(1, keepdim=True), 3, 1, 1, divisor_override=1)
    norms = energy.clamp(min=MIN_NORM**2).sqrt()[:, None]
    is_valid = is_valid | ~is_valid.any(1, keepdim=True)  # no NaN where nothing is valid
    excluded = ~is_valid.unflatten(1, keys.shape[2:])[:, None, None]
    height, width = queries.shape[2:]
    if strip_rows is None:
        a_row = len(queries) * width * keys.shape[2] * keys.shape[3]
        strip_rows = height if _are_recorded(features, sources) else max(STRIP_SCORES // a_row, 1)
    for top in range(0, height, strip_rows):
        bottom = min(top + strip_rows, height)
        first = max(top - HALO, 0)
        rows = queries[:, :, first : bottom + HALO]
        scores = (rows.flatten(2).mT @ keys.flatten(2)).unflatten(2, keys.shape[2:])
        scores = scores.unflatten(1, rows.shape[2:])
        scores = _sum_along_diagonals(scores) / norms
        if propagate:
            scores = _sum_along_diagonals(scores)
        scores = scores[:, top - first : bottom - first] * temperature
        scores = scores.masked_fill(excluded, -torch.inf)
        yield top, scores.flatten(3).softmax(3).view_as(scores)


def _are_recorded(*maps: Tensor) -> bool:
    """Whether gradients of one of the maps are recorded."""
    return torch.is_grad_enabled() and any(m.requires_grad for m in maps)


def _sum_along_diagonals(scores: Scores) -> Scores:
    """The sum over the 3 x 3 pairs of a place and a source that are shifted alike."""
    for place, source in ((1, 3), (2, 4)):
        n, m = scores.shape[place] - 1, scores.shape[source] - 1
        total = scores.clone()
        for start in (0, 1):
            neighbour = scores.narrow(place, 1 - start, n).narrow(source, 1 - start, m)
            total.narrow(place, start, n).narrow(source, start, m).add_(neighbour)
        scores = total
    return scores


def _cells_and_coverage(sources: Tensor, rate: int) -> Float[Tensor, "b r n"]:
    """The cells of which patches consist: two by two make a patch, and neighbours share two.

    A cell begins half a cell before its place. A last channel is 1 inside the map.
    """
    before = rate // 2
    after = [(ceil_div(n, rate) + 1) * rate - n - before for n in sources.shape[2:]]
    maps = torch.cat([sources, torch.ones_like(sources[:, :1])], 1)
    maps = pad(maps, (before, after[1], before, after[0]))
    return pixel_unshuffle(maps, rate).flatten(2).mT


def _sum_of_patches(weights: Scores) -> Float[Tensor, "b u v U V"]:
    """The weight of each cell of the sources in each cell of the result.

    A cell belongs to the patches at its place and one before it, along both axes.
    """
    for place, source in ((1, 3), (2, 4)):
        margins = [[0] * 10, [0] * 10]  # of `pad`, which begins with the last axis
        for side, margin in enumerate(margins):
            margin[2 * (4 - place) + side] = margin[2 * (4 - source) + side] = 1
        weights = pad(weights, margins[0]) + pad(weights, margins[1])
    return weights


def _check(
    features: Tensor, sources: Tensor, is_hole: Tensor, rate: int, strip_rows: int | None
) -> None:
    b, c = features.shape[:2]
    if sources.shape[:2] != (b, c):
        raise ValueError(
            f"sources must be ({b}, {c}, height, width), as the features, got "
            f"{tuple(sources.shape)}"
        )
    if is_hole.dtype != torch.bool or is_hole.shape != (b, 1, *sources.shape[2:]):
        raise ValueError(
            f"is_hole must be boolean of shape {(b, 1, *sources.shape[2:])}, got "
            f"{is_hole.dtype} of {tuple(is_hole.shape)}"
        )
    for name, value in (("rate", rate), ("strip_rows", strip_rows)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
