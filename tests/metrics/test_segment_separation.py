"""Segment separation on features whose score is known, and its AUC against two other ways."""

import math

import pytest
import torch
from torch.nn.functional import interpolate, one_hot
from torchmetrics.functional.classification import binary_auroc

from unstride.metrics import SegmentSeparation, roc_auc, segment_separation
from unstride.metrics.segment_separation import sample_pixel_pairs

SIZE = (48, 60)


def patches(annotators=3):
    """Segments in patches of about 12 pixels."""
    coarse = torch.randint(0, 9, (annotators, 1, 4, 5)).float()
    return interpolate(coarse, SIZE)[:, 0].long()


def naive_auc(scores, positive):
    good = [s for s, p in zip(scores, positive, strict=True) if p]
    bad = [s for s, p in zip(scores, positive, strict=True) if not p]
    wins = sum((g > b) + (g == b) / 2 for g in good for b in bad)
    return wins / (len(good) * len(bad))


def test_auc_by_comparing_every_pair_and_by_the_curve():
    scores = torch.randint(0, 12, (80,)) / 12  # many ties
    positive = torch.rand(4, 80) < torch.tensor([0.1, 0.3, 0.5, 0.9])[:, None]
    found = roc_auc(scores, positive)
    for auc, row in zip(found.tolist(), positive, strict=True):
        assert math.isclose(auc, naive_auc(scores.tolist(), row.tolist()), rel_tol=1e-12)
        assert abs(auc - binary_auroc(scores, row.long()).item()) < 1e-6  # theirs is float32


def test_auc_of_one_kind_only_is_nothing():
    assert roc_auc(torch.rand(5), torch.tensor([[True] * 5, [False] * 5])).isnan().all()
    assert roc_auc(torch.rand(0), torch.zeros(2, 0, dtype=torch.bool)).isnan().all()


@pytest.mark.parametrize("size", [(5, 7), (3, 9), (9, 3)])
def test_every_pair_of_a_row_or_column_is_drawn_equally_often(size):
    height, width = size
    first, second = sample_pixel_pairs(size, 4, 50_000, torch.Generator().manual_seed(0))
    drawn = list(zip(first.tolist(), second.tolist(), strict=True))
    at = [[y * width + x for x in range(width)] for y in range(height)]
    rows = {(at[y][x], at[y][x + 4]) for y in range(height) for x in range(width - 4)}
    columns = {(at[y][x], at[y + 4][x]) for y in range(height - 4) for x in range(width)}
    assert set(drawn) == rows | columns
    share = 1 / len(rows | columns)
    # six standard deviations of a binomial share
    spread = 6 * math.sqrt(share * (1 - share) / 50_000)
    assert all(abs(drawn.count(p) / 50_000 - share) < spread for p in rows | columns)


@pytest.mark.parametrize("norm", [1, 1e-3, 1e3])
def test_features_that_know_the_segments_score_one(norm):
    segments = patches(1)
    features = norm * one_hot(segments[0], 9).permute(2, 0, 1).float()
    scale = 1 + torch.rand(SIZE)  # the cosine does not see lengths
    assert segment_separation(features * scale, segments).eq(1).all()


@pytest.mark.parametrize("size", [SIZE, (47, 61)])
def test_constant_features_score_one_half_exactly(size):
    features = torch.randn(37, 1, 1).expand(-1, *size)
    segments = torch.randint(0, 9, (2, *size))
    assert segment_separation(features, segments).eq(0.5).all()


def test_features_of_whole_cells_tie_within_a_cell():
    cells = interpolate(torch.arange(20.0).view(1, 1, 4, 5), SIZE)[0].long()
    features = interpolate(torch.randn(1, 37, 4, 5), SIZE)[0]
    assert segment_separation(features, cells, distances=(4,)).eq(1).all()
    segments = cells * 2 + (torch.arange(SIZE[1]) % 12 > 5)  # every cell is cut in two
    score = segment_separation(features, segments, distances=(4,))
    first, second = sample_pixel_pairs(SIZE, 4, 8192, torch.Generator().manual_seed(0))
    crossing = cells.flatten()[first] != cells.flatten()[second]
    positive = segments.flatten()[first] != segments.flatten()[second]
    # negatives tie at 0 with the positives that stay in a cell, and lose to all the others
    share = (crossing & positive).sum() / positive.sum()
    torch.testing.assert_close(score.item(), (share + (1 - share) / 2).item())


def test_random_features_score_one_half_within_the_spread_of_chance():
    segments = patches(1)
    pairs = 4096
    scores = segment_separation(torch.randn(16, *SIZE), segments, distances=(16,), num_pairs=pairs)
    ends = sample_pixel_pairs(SIZE, 16, pairs, torch.Generator().manual_seed(0))
    p = segments.flatten()[ends].diff(dim=0).ne(0).sum().item()
    n = pairs - p
    # Mann-Whitney without ties: variance (P + N + 1) / (12 P N); a pixel occurs in some three of
    # the 4096 pairs, whose distances are correlated, so at most three times that; five deviations
    spread = 5 * math.sqrt(3 * (p + n + 1) / (12 * p * n))
    assert 0 < abs(scores.item() - 0.5) < spread


def test_one_image_pair_by_pair():
    features, segments = torch.randn(6, *SIZE, dtype=torch.float64), patches(2)
    features += one_hot(segments[0], 9).permute(2, 0, 1)[:6] * 2
    found = segment_separation(features, segments, distances=(3, 20), num_pairs=300, seed=5)
    for distance, score in zip((3, 20), found.tolist(), strict=True):
        ends = sample_pixel_pairs(SIZE, distance, 300, torch.Generator().manual_seed(5))
        gaps, kinds = [], [[], []]
        for i, j in ends.T.tolist():
            (y, x), (v, u) = divmod(i, SIZE[1]), divmod(j, SIZE[1])
            assert (v - y, u - x) in ((0, distance), (distance, 0))
            f, g = features[:, y, x], features[:, v, u]
            gaps.append(1 - (f @ g / (f.norm() * g.norm())).item())
            for annotator, kind in zip(segments, kinds, strict=True):
                kind.append(bool(annotator[y, x] != annotator[v, u]))
        expected = sum(naive_auc(gaps, kind) for kind in kinds) / 2
        assert math.isclose(score, expected, rel_tol=1e-12)


def test_annotators_without_a_boundary_are_left_out():
    segments = patches(1)
    features = one_hot(segments[0], 9).permute(2, 0, 1).float()
    one_region = torch.zeros(1, *SIZE, dtype=torch.long)
    assert segment_separation(features, torch.cat([segments, one_region])).eq(1).all()
    assert segment_separation(features, one_region).isnan().all()


def test_distances_that_do_not_fit_have_no_score():
    segments = torch.tensor([0, 1]).repeat(10, 15)[None]
    scores = segment_separation(torch.randn(3, 10, 30), segments, distances=(29, 30, 31))
    assert scores.isnan().tolist() == [True, True, True]  # at 29 every pair is of one kind
    features = one_hot(patches(1)[0], 9).permute(2, 0, 1).float()[:, :10, :]
    assert segment_separation(features, patches(1)[:, :10], distances=(32,)).isfinite().all()


def test_the_set_is_the_mean_over_images_that_have_a_score():
    metric = SegmentSeparation(distances=(4, 8), num_pairs=500, seed=1)
    scores = []
    for k in range(3):
        features, segments = torch.randn(5, *SIZE), patches(2)
        if k == 1:
            segments[:] = 0
        metric.update(features, segments)
        scores.append(
            segment_separation(features, segments, distances=(4, 8), num_pairs=500, seed=1)
        )
    expected = torch.stack([scores[0], scores[2]]).mean(0)
    found = metric.compute()
    assert list(found) == ["separation", "separation_4", "separation_8"]
    torch.testing.assert_close(found["separation_4"], expected[0])
    torch.testing.assert_close(found["separation_8"], expected[1])
    torch.testing.assert_close(found["separation"], expected.mean())


def test_no_image_with_a_boundary_has_no_score():
    metric = SegmentSeparation()
    metric.update(torch.randn(2, 40, 40), torch.zeros(1, 40, 40).long())
    assert all(math.isnan(v) for v in metric.compute().values())


def test_the_pairs_depend_on_the_seed_and_the_size_alone():
    features, segments = torch.randn(5, *SIZE), patches(2)
    first = segment_separation(features, segments, num_pairs=500)
    torch.rand(7)
    assert torch.equal(first, segment_separation(features, segments, num_pairs=500))
    assert not torch.equal(first, segment_separation(features, segments, num_pairs=500, seed=1))


def test_half_types_are_widened():
    features, segments = torch.randn(64, *SIZE).half(), patches(1)
    wide = segment_separation(features.float(), segments)
    assert torch.equal(segment_separation(features, segments), wide)


@pytest.mark.parametrize(("change", "message"), [
    ({"features": torch.randn(2, 4, 5)}, r"\(4, 5\) and \(48, 60\)"),
    ({"features": torch.full((2, *SIZE), torch.nan)}, "infinite or NaN"),
    ({"distances": (0, 4)}, "at least 1, got"), ({"distances": ()}, "one or more"),
    ({"num_pairs": 0}, "at least 1"),
])  # fmt: skip
def test_wrong_arguments_are_refused(change, message):
    arguments = {"features": torch.randn(2, *SIZE), "segments": patches(1), **change}
    with pytest.raises(ValueError, match=message):
        segment_separation(**arguments)


def test_pairs_with_a_pixel_of_no_segment_are_left_out():
    """The right half is of no segment, and its features would spoil the score."""
    segments = torch.zeros(1, 24, 40, dtype=torch.int64)
    segments[:, 12:] = 1
    features = segments.float().repeat(2, 1, 1) * 2 - 1
    features[1] = 0.5
    features[0, :, 20:] = torch.randn(24, 20)
    spoilt = segment_separation(features, segments, distances=(4,))
    segments[:, :, 20:] = -1
    both = torch.cat([segments, torch.full_like(segments, -1)])
    assert spoilt < 0.95
    assert segment_separation(features, both, distances=(4,)).eq(1).all()
