"""PixPro's losses: the released code's numbers, laws, and images without a match."""

import pytest
import torch
from torch.nn.functional import normalize

from tests.losses.test_pixel_matching import ONE, OTHER
from unstride.losses.pixel_matching import cells_of_boxes, matched_cells
from unstride.losses.pixpro import pixel_consistency_loss, pixel_contrast_loss
from unstride.models.pretraining.propagation import PixelPropagation

N = torch.arange(72, dtype=torch.float64).view(2, 4, 3, 3)
QUERIES = (0.37 * N).sin()
KEYS = (0.21 * N).cos()
MATCHES = matched_cells(cells_of_boxes(ONE, (3, 3)), cells_of_boxes(OTHER, (3, 3)))


def cells(maps):
    return maps.flatten(2)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0.35, -0.104264032506), (0.7, -0.197813841191), (1.4, -0.227046485567)],
)
def test_the_loss_is_that_of_the_released_code_in_both_directions(threshold, expected):
    one, other = cells_of_boxes(ONE, (3, 3)), cells_of_boxes(OTHER, (3, 3))
    matches = matched_cells(one, other, threshold)
    for a, b, match in ((QUERIES, KEYS, matches), (KEYS, QUERIES, matches.mT)):
        loss = pixel_consistency_loss(cells(a), cells(b), match)
        assert loss.item() == pytest.approx(expected, abs=1e-9)


def test_the_papers_loss_is_half_of_it():
    loss = pixel_consistency_loss(cells(QUERIES), cells(KEYS), MATCHES, scale=1.0)
    assert loss.item() == pytest.approx(-0.197813841191 / 2, abs=1e-9)


@pytest.mark.parametrize(
    ("gamma", "total", "expected"),
    [(2.0, 7.730677810179, -0.234907132858), (1.0, 9.101510096926, -0.239493552896)],
)
def test_propagation_is_that_of_the_released_code(gamma, total, expected):
    """Its weighted sums, without the transform; then the loss of what was propagated."""
    module = PixelPropagation(4, gamma=gamma, layers=0).double()
    similarity = module.similarity(QUERIES)
    sums = cells(normalize(QUERIES, dim=1)) @ similarity.mT
    assert sums.sum().item() == pytest.approx(total, abs=1e-9)
    if gamma == 2:
        first = [1.806989, -2.204254, 2.523504, -2.753442]
        assert sums[0, :, 0].tolist() == pytest.approx(first, abs=1e-6)
    loss = pixel_consistency_loss(cells(module(QUERIES)), cells(KEYS), MATCHES)
    assert loss.item() == pytest.approx(expected, abs=1e-9)


def test_contrast_is_the_papers_formula_in_both_directions():
    expected = {True: 1.818699699204, False: 1.846551124115}
    for forward, a, b, match in (
        (True, QUERIES, KEYS, MATCHES), (False, KEYS, QUERIES, MATCHES.mT),
    ):  # fmt: skip
        loss = pixel_contrast_loss(cells(a), cells(b), match)
        assert loss.item() == pytest.approx(expected[forward], abs=1e-9)


@pytest.mark.parametrize("loss", [pixel_consistency_loss, pixel_contrast_loss])
def test_gradients_reach_the_first_argument_alone(loss):
    a = cells(QUERIES).clone().requires_grad_()
    b = cells(KEYS).clone().requires_grad_()
    loss(a, b, MATCHES).backward()
    assert b.grad is None
    assert torch.autograd.gradcheck(lambda x: loss(x, cells(KEYS), MATCHES), a)


@pytest.mark.parametrize("loss", [pixel_consistency_loss, pixel_contrast_loss])
def test_images_without_a_match_count_as_zero_or_not_at_all(loss):
    matches = MATCHES.clone()
    matches[1] = False
    a, b = cells(QUERIES).clone().requires_grad_(), cells(KEYS)
    alone = loss(a[:1], b[:1], matches[:1])
    torch.testing.assert_close(loss(a, b, matches), alone / 2)
    torch.testing.assert_close(loss(a, b, matches, empty_pairs="exclude"), alone)
    none = loss(a, b, matches & False, empty_pairs="exclude")
    assert none == 0
    none.backward()
    assert a.grad.isfinite().all()


def test_all_agree_is_minus_two_and_contrast_of_unlike_cells_is_near_zero():
    eye = torch.eye(9, dtype=torch.float64)[None]
    is_match = eye.bool()
    assert pixel_consistency_loss(eye, eye, is_match).item() == pytest.approx(-2, abs=1e-5)
    assert pixel_contrast_loss(eye, eye, is_match, temperature=0.01).item() < 1e-6


@pytest.mark.parametrize("loss", [pixel_consistency_loss, pixel_contrast_loss])
def test_similarities_are_in_float32_under_autocast(loss):
    a, b = cells(QUERIES).float(), cells(KEYS).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(a, b, MATCHES), loss(a, b, MATCHES))
        inside = loss(a, b, MATCHES)
    assert torch.equal(inside, loss(a, b, MATCHES))
