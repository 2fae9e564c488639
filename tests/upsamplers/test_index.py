"""IndexNet, and the hard indices it generalises, cell by cell."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    map_of_pixels,
    num_parameters,
    source_pixel,
    sub_pixel,
    window_at,
)
from unstride.ops.window import window_start
from unstride.upsamplers import (
    IndexDownsample,
    IndexPair,
    IndexUpsample,
    MaxPool,
    MaxUnpool,
)
from unstride.upsamplers.by_name import create_pair


def branch_reference(branch, near, kind):
    """What one branch says of one cell: a number for each channel, or sub-pixel."""

    def dot(layer, near):
        if kind == "one-to-one":  # channel by channel
            return (layer.weight[:, 0] * near).sum((1, 2))
        return torch.einsum("ocpq, cpq -> o", layer.weight, near)

    if isinstance(branch, nn.Conv2d):
        return dot(branch, near)
    first, norm, _, last = branch
    hidden = (dot(first, near) - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
    hidden = (hidden * norm.weight + norm.bias).clamp(0, 6)
    return dot(last, hidden[:, None, None])


def index_reference(block, kind, fine, grid):
    """Sigmoids "c s s" of each cell: every channel and sub-pixel, one channel if holistic."""
    s = block.scale
    side = next(m for m in block.modules() if isinstance(m, nn.Conv2d)).kernel_size[0]

    def pixel(y, x):
        near = window_at(fine, y, x, grid, side)
        index = torch.stack([branch_reference(branch, near, kind) for branch in block.branches], -1)
        index = index.reshape(-1, s, s)
        return 1 / (1 + (-index).exp())

    return [[pixel(y, x) for x in range(grid[1])] for y in range(grid[0])]


def coarse_grid(maps, scale):
    return tuple(n // scale for n in maps.shape[1:])


def downsample_reference(down, features, kind):
    """The softmax over a cell's indices weighs the cell."""
    s, maps = down.scale, []
    for fine in features:
        index = index_reference(down.index, kind, fine, coarse_grid(fine, s))

        def pixel(y, x, fine=fine, index=index):
            weights = index[y][x].exp() / index[y][x].exp().sum((1, 2), keepdim=True)
            return (fine[:, s * y : s * y + s, s * x : s * x + s] * weights).sum((1, 2))

        maps.append(map_of_pixels(pixel, coarse_grid(fine, s)))
    return torch.stack(maps)


def upsample_reference(up, features, guide, size, kind):
    """Each fine pixel is its coarse pixel times its own index."""
    s, maps = up.scale, []
    for coarse, fine in zip(features, guide, strict=True):
        (h, w), (H, W) = coarse.shape[1:], size
        index = index_reference(up.index, kind, fine, (h, w))

        def pixel(y, x, coarse=coarse, index=index, h=h, w=w, H=H, W=W):
            (i, u), (j, v) = sub_pixel(y, h, H, s), sub_pixel(x, w, W, s)
            return coarse[:, source_pixel(y, h, H), source_pixel(x, w, W)] * index[i][j][:, u, v]

        maps.append(map_of_pixels(pixel, size))
    return torch.stack(maps)


KINDS = [
    (kind, {"nonlinear": nonlinear, "context": context})
    for kind in ("holistic", "one-to-one", "many-to-one")
    for nonlinear in (False, True)
    for context in (False, True)
]


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=str)
def test_it_is_the_papers_index_in_every_variant(kind, options):
    down = IndexDownsample(3, kind=kind, **options)
    up = IndexUpsample(3, kind=kind, start="published", **options)
    features, fine = torch.randn(2, 3, 3, 5), torch.randn(2, 3, 6, 10)
    assert_matches_reference(down, partial(downsample_reference, kind=kind), fine)
    for size in ((6, 10), (7, 9)):
        assert_matches_reference(
            up, partial(upsample_reference, kind=kind), features, fine, size=size
        )


@pytest.mark.parametrize("kind", ["holistic", "many-to-one"])
def test_a_guide_may_have_its_own_channels_and_the_scale_be_three(kind):
    up, features = (
        IndexUpsample(3, 3, guide_channels=2, kind=kind, start="published"),
        torch.randn(2, 3, 2, 3),
    )
    guide = torch.randn(2, 2, 6, 9)
    assert_matches_reference(
        up, partial(upsample_reference, kind=kind), features, guide, size=(6, 9)
    )
    assert_matches_reference(
        IndexDownsample(2, 3, kind=kind), partial(downsample_reference, kind=kind), guide
    )


def test_a_pair_is_its_two_halves_on_one_index():
    def halves(pair, fine):
        coarse = downsample_reference(pair.down, fine, "many-to-one")
        return upsample_reference(pair.up, coarse, fine, fine.shape[2:], "many-to-one")

    pair = create_pair("index_down", "index", 3, start="published")
    assert isinstance(pair, IndexPair)
    assert_matches_reference(pair, halves, torch.randn(2, 3, 6, 10))


@pytest.mark.parametrize("sign", [1, -1])
def test_soft_weights_are_no_sharper_than_a_sigmoid_allows(sign):
    index = torch.full((1, 3, 2, 2, 3, 5), -1000.0 * sign)
    index[:, :, 1, 0] *= -1
    one = IndexDownsample(3).predict_cell_weights(index.sigmoid(), (3, 5))[:, :, 1, 0]
    expected = torch.e / (torch.e + 3) if sign > 0 else 1 / (1 + 3 * torch.e)
    torch.testing.assert_close(one, torch.full_like(one, expected))
    assert round(expected, 3) == (0.475 if sign > 0 else 0.109)


def test_a_sharp_index_is_max_pooling_and_its_inverse():
    """Infinite indices at the maxima: shares and gates are the marks of a max pooling."""
    fine = torch.randn(2, 3, 6, 10)
    soft = IndexPair(3, start="published")
    values, positions = max_pool2d(fine, 2, return_indices=True)
    marks = torch.zeros(2, 3, 60).scatter(2, positions.flatten(2), 1.0).view(2, 3, 6, 10)
    by_cell = marks.view(2, 3, 3, 2, 5, 2).permute(0, 1, 3, 5, 2, 4)
    assert torch.equal(soft.up.predict_gates(by_cell, (6, 10))[:, :, 0, 0], marks)
    sharp = soft.down.predict_cell_weights(1e4 * by_cell, (3, 5))
    torch.testing.assert_close(sharp, by_cell)
    pair = create_pair("max_pool", "max_unpool", 3)
    assert torch.equal(pair.down(fine), values)
    assert torch.equal(pair(fine), marks * fine)
    tripled = pair(fine, lambda coarse: 3 * coarse)
    assert torch.equal(tripled, marks * 3 * fine)


@pytest.mark.parametrize("scale", [2, 3])
def test_max_pool_is_the_common_one_and_so_is_its_gradient(scale):
    fine = torch.randn(2, 3, 4 * scale, 5 * scale, requires_grad=True)
    pool = MaxPool(3, scale)
    assert torch.equal(pool(fine), max_pool2d(fine, scale))
    cotangent = torch.randn(2, 3, 4, 5)
    ours, theirs = (
        torch.autograd.grad(pooled, fine, cotangent)[0]
        for pooled in (pool(fine), max_pool2d(fine, scale))
    )
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("grid", "size"), [((7, 9), None), ((7, 10), (3, 4)), ((5, 3), (5, 6))])
def test_max_pool_takes_the_largest_of_each_window_at_any_size(grid, size):
    fine = torch.randn(2, 3, *grid) - 9  # zeros beyond the border are no candidates
    H, W = size or (4, 5)
    rows, columns = window_start(grid[0], H, 2).tolist(), window_start(grid[1], W, 2).tolist()
    expected = torch.stack([
        torch.stack([
            fine[:, :, max(i, 0) : i + 2, max(j, 0) : j + 2].amax((2, 3)) for j in columns
        ], -1) for i in rows
    ], -2)  # fmt: skip
    assert torch.equal(MaxPool(3)(fine, size), expected)


def test_of_equals_the_first_is_taken():
    fine, first = torch.ones(1, 1, 4, 4), torch.tensor([[1.0, 0], [0, 0]])
    marks = MaxPool(1).predict_weights(fine, (2, 2))[0, 0]
    assert torch.equal(marks, first[..., None, None].expand(2, 2, 2, 2))
    assert torch.equal(MaxUnpool(1)(torch.ones(1, 1, 2, 2), fine)[0, 0], first.repeat(2, 2))


@pytest.mark.parametrize(
    ("method", "options", "sentence"),
    [
        (IndexUpsample, {"guide_channels": 2, "kind": "one-to-one"}, "must be the 3 channels"),
        (IndexUpsample, {"kind": "none"}, "kind"),
        (MaxUnpool, {"guide_channels": 2}, "guide_channels must be the 3 channels"),
    ],
)
def test_what_does_not_fit_is_refused(method, options, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):  # of ours, or of the shape checker
        method(3, **options)


def test_it_has_the_published_number_of_parameters():
    pairs = [IndexPair(channels) for channels in (64, 64, 128, 256)]
    assert sum(map(num_parameters, pairs)) == 12_263_424  # the published 12.26 M
