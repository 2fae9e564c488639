"""Folding a border into the weights gives the same result as padding the image."""

import pytest
import torch
from torch.nn.functional import pad

from unstride.ops import fold_border, reassemble, spread_border
from unstride.ops.reference import reassemble_reference
from unstride.ops.window import window_start

SIZES = [
    pytest.param((9, 11), (9, 11), 7, id="same size"),
    pytest.param((5, 6), (10, 12), 5, id="up 2"),
    pytest.param((5, 6), (13, 17), 3, id="up by no whole number"),
    pytest.param((12, 14), (6, 7), 6, id="down 2, even window"),
    pytest.param((9, 8), (4, 3), 5, id="down by no whole number"),
    pytest.param((40, 44), (40, 44), 3, id="mostly interior"),
    pytest.param((3, 2), (6, 4), 3, id="all border"),
]


@pytest.mark.parametrize(("size", "output_size", "k"), SIZES)
@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_folding_is_padding(mode, size, output_size, k):
    features = torch.randn(2, 4, *size, dtype=torch.float64)
    weights = torch.randn(2, 2, k, k, *output_size, dtype=torch.float64)
    padded = features
    for _ in range(k // 2):  # by one pixel at a time, since torch reflects no further than the map
        padded = pad_one(padded, mode, size, k)
    rows, cols = (window_start(n, m, k) + k // 2 for n, m in zip(size, output_size, strict=True))
    expected = torch.zeros(2, 4, *output_size, dtype=torch.float64)
    for p in range(k):
        for q in range(k):
            tap = padded[:, :, rows + p][..., cols + q].unflatten(1, (2, 2))
            expected += (tap * weights[:, :, None, p, q]).flatten(1, 2)
    folded = fold_border(weights, size, mode)
    torch.testing.assert_close(reassemble_reference(features, folded), expected)
    torch.testing.assert_close(folded.sum((2, 3)), weights.sum((2, 3)))


def pad_one(image, mode, size, k):
    grown = (image.shape[2] - size[0]) // 2 + 1
    original = image[
        :, :, grown - 1 : image.shape[2] - grown + 1, grown - 1 : image.shape[3] - grown + 1
    ]
    if mode == "replicate":
        return pad(original, (grown,) * 4, mode="replicate")
    for dim in (2, 3):
        n = original.shape[dim]
        period = max(2 * (n - 1), 1)
        index = torch.arange(-grown, n + grown) % period
        original = original.index_select(dim, torch.minimum(index, period - index))
    return original


@pytest.mark.parametrize(("size", "output_size", "k"), SIZES)
@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_spreading_is_the_adjoint_of_folding(mode, size, output_size, k):
    weights, scores = torch.randn(2, 1, 2, k, k, *output_size, dtype=torch.float64)
    torch.testing.assert_close(
        (fold_border(weights, size, mode) * scores).sum(),
        (weights * spread_border(scores, size, mode)).sum(),
    )


def test_excluded_taps_get_no_weight_and_the_others_all():
    scores = spread_border(torch.randn(1, 1, 5, 5, 8, 8), (4, 4), "exclude")
    weights = scores.flatten(2, 3).softmax(2).unflatten(2, (5, 5))
    out = reassemble(torch.ones(1, 1, 4, 4), weights)  # beyond the border lie zeros
    torch.testing.assert_close(out, torch.ones(1, 1, 8, 8))


def test_borders_are_differentiable_twice():
    weights = torch.randn(1, 1, 3, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    for function in (fold_border, spread_border):
        assert torch.autograd.gradcheck(lambda w, f=function: f(w, (2, 3), "reflect"), weights)
        assert torch.autograd.gradgradcheck(
            lambda w, f=function: f(w, (2, 3), "replicate"), weights
        )
