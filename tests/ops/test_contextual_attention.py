"""Contextual attention against the literal loop over places, sources and shifts."""

from itertools import product

import pytest
import torch

from unstride.ops.contextual_attention import (
    attended_sources,
    contextual_attention,
    known_patches,
)

SHIFTS = list(product((-1, 0, 1), repeat=2))
# size of the features and of the sources, rate, propagation
CASES = [
    pytest.param((8, 12), (8, 12), 2, True, id="itself"),
    pytest.param((7, 9), (5, 12), 2, True, id="odd sizes, other sources"),
    pytest.param((8, 6), (8, 6), 2, False, id="without propagation"),
    pytest.param((5, 4), (4, 6), 1, True, id="rate 1"),
    pytest.param((9, 10), (10, 7), 3, True, id="rate 3"),
    pytest.param((2, 2), (6, 6), 2, True, id="a single place"),
]


def reference(features, sources, is_hole, rate, propagate, temperature=10.0):
    """What the docstrings say, for one image, in float64, one place and source after the other."""
    queries, keys = (t[:, ::rate, ::rate].double() for t in (features, sources))
    places, columns = ([*product(*map(range, t.shape[1:]))] for t in (queries, keys))

    def at(maps, y, x):
        inside = 0 <= y < maps.shape[1] and 0 <= x < maps.shape[2]
        return maps[:, y, x] if inside else maps.new_zeros(len(maps))

    def similarity(p, q):
        patch = torch.cat([at(keys, q[0] + dy, q[1] + dx) for dy, dx in SHIFTS])
        other = torch.cat([at(queries, p[0] + dy, p[1] + dx) for dy, dx in SHIFTS])
        return (patch @ other / patch.norm().clamp(min=1e-4)).item()

    scores = {(p, q): similarity(p, q) for p in places for q in columns}
    if propagate:
        scores = {
            (p, q): sum(
                scores.get(((p[0] + dy, p[1] + dx), (q[0] + dy, q[1] + dx)), 0) for dy, dx in SHIFTS
            )
            for p, q in scores
        }

    def touches_hole(q):
        cells = [(q[0] + dy, q[1] + dx) for dy, dx in SHIFTS]
        return any(
            is_hole[0, y * rate : (y + 1) * rate, x * rate : (x + 1) * rate].any()
            for y, x in cells
            if y >= 0 and x >= 0
        )

    valid = [q for q in columns if not touches_hole(q)]
    if not valid:
        return features.double()
    total = torch.zeros_like(features, dtype=torch.float64)
    covered = total[:1].clone()
    before = rate // 2
    for p in places:
        weights = torch.tensor(
            [scores[p, q] * temperature for q in valid], dtype=torch.float64
        ).softmax(0)
        for weight, q in zip(weights, valid, strict=True):
            for dy, dx in product(range(2 * rate), repeat=2):
                to = p[0] * rate - before + dy, p[1] * rate - before + dx
                source = q[0] * rate - before + dy, q[1] * rate - before + dx
                is_inside = [
                    0 <= y < t.shape[1] and 0 <= x < t.shape[2]
                    for (y, x), t in ((to, features), (source, sources))
                ]
                if all(is_inside):
                    total[:, to[0], to[1]] += weight * sources[:, source[0], source[1]]
                    covered[:, to[0], to[1]] += weight
    return torch.where(covered > 1e-4, total / covered, features.double())


def inputs(size, source_size, dtype=torch.float64, batch=2):
    features = torch.randn(batch, 3, *size, dtype=dtype)
    sources = features if size == source_size else torch.randn(batch, 3, *source_size, dtype=dtype)
    is_hole = torch.zeros(batch, 1, *source_size, dtype=torch.bool)
    is_hole[0, :, -2:, -3:] = True
    is_hole[1:, :, :1, :1] = True
    return features, sources, is_hole


@pytest.mark.parametrize(("size", "source_size", "rate", "propagate"), CASES)
def test_it_is_the_literal_loop(size, source_size, rate, propagate):
    features, sources, is_hole = inputs(size, source_size)
    options = {"rate": rate, "propagate": propagate, "temperature": 2.0}
    actual = contextual_attention(features, sources, is_hole, **options)
    for b in range(2):
        exact = reference(features[b], sources[b], is_hole[b], rate, propagate, 2.0)
        # Scores are sums of some hundred products of size one; their errors pass the softmax.
        torch.testing.assert_close(actual[b], exact, rtol=0, atol=1e-11)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_strips_change_nothing(rows):
    features, sources, is_hole = inputs((12, 10), (12, 10))
    whole = contextual_attention(features, sources, is_hole)
    found = attended_sources(features, sources, is_hole)
    in_strips = contextual_attention(features, sources, is_hole, strip_rows=rows)
    torch.testing.assert_close(in_strips, whole, rtol=0, atol=1e-12)
    assert torch.equal(attended_sources(features, sources, is_hole, strip_rows=rows), found)


def test_without_gradients_strips_are_as_high_as_memory_allows(monkeypatch):
    features, sources, is_hole = inputs((12, 10), (12, 10))
    whole = contextual_attention(features, sources, is_hole)
    monkeypatch.setattr("unstride.ops.contextual_attention.STRIP_SCORES", 2 * 5 * 30)  # one row
    heights = []
    product_of = torch.Tensor.__matmul__

    def recorded(a, b):
        heights.append(a.shape[1])
        return product_of(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", recorded)
    with torch.no_grad():
        torch.testing.assert_close(contextual_attention(features, sources, is_hole), whole)
    assert max(heights) <= 5 * 5  # a row and its halo, or the two rows of cells that it covers
    assert len(heights) == 2 * 6


def test_each_image_has_its_own_hole_and_no_other_image_matters():
    features, sources, is_hole = inputs((10, 8), (10, 8))
    together = contextual_attention(features, sources, is_hole)
    for b in range(2):
        alone = contextual_attention(*(t[b : b + 1] for t in (features, sources, is_hole)))
        torch.testing.assert_close(alone[0], together[b], rtol=0, atol=1e-12)


@pytest.mark.parametrize("rate", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (7, 11)])
def test_a_constant_map_stays_constant_up_to_the_border(size, rate):
    features = torch.full((1, 2, *size), 3.0, dtype=torch.float64)
    is_hole = torch.zeros(1, 1, *size, dtype=torch.bool)
    is_hole[:, :, 3:5, 3:5] = rate == 1
    rebuilt = contextual_attention(features, features, is_hole, rate=rate)
    torch.testing.assert_close(rebuilt, features, rtol=1e-12, atol=0)


def test_what_lies_in_a_hole_is_never_pasted():
    features, _, is_hole = inputs((12, 12), (12, 12))
    changed = torch.where(is_hole, 1e3, features)
    # The places around a hole see it; the sources do not: their values stay what they were.
    rebuilt = contextual_attention(features, changed, is_hole)
    assert rebuilt.abs().max() <= features.abs().max()
    assert known_patches(is_hole, 2).any(1).all()


def test_without_a_known_patch_an_image_keeps_its_features():
    features, sources, is_hole = inputs((8, 8), (8, 8))
    is_hole[0] = True
    features.requires_grad_()
    rebuilt = contextual_attention(features, sources, is_hole)
    assert torch.equal(rebuilt[0], features[0])
    assert not torch.equal(rebuilt[1], features[1])
    (gradient,) = torch.autograd.grad(rebuilt.square().sum(), features)
    assert gradient.isfinite().all()
    own = attended_sources(features, sources, is_hole)[0]
    assert own[:, 1, 3].tolist() == [1, 3]


def test_a_hole_is_no_smaller_on_the_coarse_grid():
    is_hole = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    is_hole[0, 0, :, 5] = True  # an odd column, which every second pixel misses
    known = known_patches(is_hole, 2).view(8, 8)
    assert known.any(0).tolist() == [True, False, False, False, True, True, True, True]


def test_a_copy_elsewhere_is_what_is_found():
    torch.manual_seed(3)
    features = torch.randn(1, 8, 24, 24)
    features[:, :, 2:10, 2:10] = features[:, :, 12:20, 12:20]
    is_hole = torch.zeros(1, 1, 24, 24, dtype=torch.bool)
    is_hole[:, :, 14:18, 14:18] = True
    found = attended_sources(features, features, is_hole)
    assert found[0, :, 8, 8].tolist() == [3, 3]
    rebuilt = contextual_attention(features, features, is_hole)
    torch.testing.assert_close(rebuilt[:, :, 15:17, 15:17], features[:, :, 15:17, 15:17])


def test_gradients_to_second_order_are_finite_differences():
    features, sources, is_hole = inputs((4, 6), (4, 6), batch=1)
    features = features[:, :2].clone().requires_grad_()
    sources = sources[:, :2].clone().requires_grad_()

    def run(features, sources):
        return contextual_attention(features, sources, is_hole[:1], temperature=1.0)

    assert torch.autograd.gradcheck(run, (features, sources))
    assert torch.autograd.gradgradcheck(run, (features, sources))


def test_under_autocast_it_is_computed_in_float32():
    features, sources, is_hole = inputs((8, 12), (8, 12), torch.float32)
    exact = contextual_attention(features, sources, is_hole)
    with torch.autocast("cpu", torch.bfloat16):
        actual = contextual_attention(features, sources, is_hole)
    assert torch.equal(actual, exact)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": torch.zeros(2, 4, 8, 8)}, r"sources must be \(2, 3, height, width\)"),
        ({"is_hole": torch.zeros(2, 1, 8, 8)}, "is_hole must be boolean"),
        ({"is_hole": torch.zeros(1, 1, 8, 8, dtype=torch.bool)}, "is_hole must be boolean"),
        ({"rate": 0}, "rate must be at least 1, got 0"),
        ({"strip_rows": 0}, "strip_rows must be at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = dict(zip(("features", "sources", "is_hole"), inputs((8, 8), (8, 8)), strict=True))
    with pytest.raises(ValueError, match=message):
        contextual_attention(**(given | change))
