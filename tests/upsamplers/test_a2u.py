"""A2U against the literal bilinear form, window by window, image by image."""

from math import gcd

import pytest
import torch
from torch import nn

from tests.upsamplers.pixel_reference import (
    adaptive_pool,
    assert_matches_reference,
    map_of_pixels,
    num_parameters,
    pointwise_conv,
    randomised,
    sub_pixel,
    weighted_sum,
    window_at,
)
from unstride.upsamplers import (
    A2UDownsample,
    A2UPair,
    A2UUpsample,
)
from unstride.upsamplers import a2u as module
from unstride.upsamplers.by_name import create_pair

C = 8  # channels of what is compared
SHARINGS = {"shared": 1, "semi-shared": 4, "unshared": C}


@pytest.fixture(autouse=True)
def four_norm_groups(monkeypatch):
    """Fewer groups than channels, so that semi-shared differs from unshared."""
    monkeypatch.setattr(module, "NORM_GROUPS", 4)


def predict(layer, x, side):
    """Numbers for this image, from its means over side x side areas; or learned ones."""
    if isinstance(layer, nn.Parameter):
        return layer[0]
    means = adaptive_pool(x[None], (side, side))[0]
    return pointwise_conv(means, layer)


def norm_and_activate(maps, norm):
    """A group norm over the image, then a leaky ReLU of slope 1/100."""
    groups = maps.reshape(norm.num_groups, -1)
    mean, var = groups.mean(1, keepdim=True), groups.var(1, keepdim=True, correction=0)
    maps = ((groups - mean) / (var + 1e-5).sqrt()).reshape(maps.shape)
    maps = maps * norm.weight[:, None, None] + norm.bias[:, None, None]
    return torch.where(maps > 0, maps, maps / 100)


def logits_reference(part, x):
    """sum_r p_r sum_c act(u_rc . x_c) act(v_rc . x_c) / sqrt(c), for each coarse pixel."""
    affinity, projection = part.affinity, part.projection
    side, r, stride = affinity.filter_size, affinity.rank, affinity.stride
    grid, share = tuple(n // stride for n in x.shape[1:]), len(x) // affinity.num_filters
    views = []
    for bank, norm in ((affinity.u, affinity.norm_u), (affinity.v, affinity.norm_v)):
        filters = predict(bank, x, side).reshape(affinity.num_filters, r, side, side)
        projected = map_of_pixels(
            lambda y, x_, f=filters: torch.stack([
                (f[c // share, i] * window_at(x, y, x_, grid, side)[c]).sum()
                for c in range(len(x)) for i in range(r)
            ]),
            grid,
        )  # fmt: skip
        views.append(norm_and_activate(projected, norm).reshape(len(x), r, *grid))
    affinities = (views[0] * views[1]).sum(0) / len(x) ** 0.5
    p = predict(projection.p, x, 1).reshape(-1, r)
    return torch.einsum("nr, rhw -> nhw", p, affinities)


def upsample_reference(up, features, guide=None, size=None):
    s, k, (h, w) = up.scale, up.kernel_size, features.shape[2:]

    def pixel(coarse, logits, y, x):
        (i, u), (j, v) = sub_pixel(y, h, size[0], s), sub_pixel(x, w, size[1], s)
        taps = logits[u * s + v :: s * s, i, j]
        if up.normaliser == "sigmoid_softmax":
            taps = 1 / (1 + (-taps).exp())
        weights = (taps.exp() / taps.exp().sum()).reshape(1, k, k)
        return weighted_sum(window_at(coarse, y, x, size, k), weights)

    maps = []
    for b, coarse in enumerate(features):
        logits = logits_reference(up, coarse if guide is None else guide[b])
        maps.append(map_of_pixels(lambda y, x, f=coarse, n=logits: pixel(f, n, y, x), size))
    return torch.stack(maps)


def downsample_reference(down, features):
    k, grid = down.kernel_size, tuple(n // down.scale for n in features.shape[2:])

    def pixel(fine, logits, y, x):
        weights = logits[:, y, x].exp() / logits[:, y, x].exp().sum()
        return weighted_sum(window_at(fine, y, x, grid, k), weights.reshape(1, k, k))

    return torch.stack([
        map_of_pixels(lambda y, x, f=f, n=logits_reference(down, f): pixel(f, n, y, x), grid)
        for f in features
    ])  # fmt: skip


FORMS = [
    {"dynamic": dynamic, "sharing": sharing, "rank": rank}
    for dynamic, sharing, rank in (
        (True, "shared", 1), (True, "semi-shared", 2), (True, "unshared", 2),
        (False, "shared", 2), (False, "semi-shared", 1), (False, "unshared", 2),
    )
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_it_is_the_literal_bilinear_form_in_every_variant(form):
    assert gcd(4, C) == SHARINGS["semi-shared"]
    features, guide = torch.randn(2, 3, 3, 5), torch.randn(2, C, 6, 10)
    guided = A2UUpsample(3, guide_channels=C, start="published", **form)
    assert guided.affinity.num_filters == SHARINGS[form["sharing"]]
    assert guided.affinity.filter_size == 6  # of the released filters
    assert_matches_reference(guided, upsample_reference, features, guide, size=(7, 9))
    alone = A2UUpsample(C, normaliser="softmax", start="published", **form)
    assert_matches_reference(alone, upsample_reference, torch.randn(2, C, 3, 5), size=(6, 10))
    assert_matches_reference(
        A2UDownsample(C, **form), downsample_reference, torch.randn(2, C, 6, 10)
    )


def test_a_pair_is_its_two_halves_on_one_affinity():
    def halves(pair, fine):
        return upsample_reference(
            pair.up, downsample_reference(pair.down, fine), fine, fine.shape[2:]
        )

    pair = create_pair("a2u_down", "a2u", C, rank=2, sharing="unshared", start="published")
    assert isinstance(pair, A2UPair)
    assert_matches_reference(pair, halves, torch.randn(2, C, 6, 10))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_images_are_computed_together_as_one_at_a_time(form):
    pair, fine = randomised(A2UPair(C, **form)), torch.randn(3, C, 6, 10).double()
    alone = torch.cat([pair(image[None]) for image in fine])
    torch.testing.assert_close(pair(fine), alone)


def test_without_norm_and_activation_the_affinity_is_x_a_x(monkeypatch):
    """A = sum_r p_r u_r v_r^T, of rank d at most."""
    monkeypatch.setattr(module, "leaky_relu", lambda maps: maps)
    down = randomised(A2UDownsample(4, 2, dynamic=False, sharing="shared", rank=2))
    down.affinity.norm_u = down.affinity.norm_v = nn.Identity()
    fine = torch.randn(1, 4, 6, 10).double()
    u, v = (bank.reshape(2, 36) for bank in (down.affinity.u, down.affinity.v))
    p = down.projection.p.reshape(36, 2)
    A = torch.einsum("nr, ri, rj -> nij", p, u, v)
    assert (torch.linalg.matrix_rank(A) == 2).all()
    actual = down.projection(fine, down.affinity(fine))[0]
    for y in range(3):
        for x in range(5):
            x_ = window_at(fine[0], y, x, (3, 5), 6).flatten(1)
            expected = torch.einsum("ci, nij, cj -> n", x_, A, x_) / 4**0.5
            torch.testing.assert_close(actual[:, y, x], expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_released_weights_are_no_sharper_than_a_sigmoid_allows(sign):
    """One tap is as far from the other eight as logits can be."""
    up, x = A2UUpsample(C, start="published"), torch.zeros(1, C, 3, 5)
    with torch.no_grad():
        up.projection.p.bias.fill_(-sign).view(9, 4)[0] = sign
    weights = up.predict_from_affinity(x, torch.full((1, 1, 3, 5), 1e4), (6, 10))
    one = weights[:, :, 0, 0]
    expected = torch.e / (torch.e + 8) if sign > 0 else 1 / (1 + 8 * torch.e)
    torch.testing.assert_close(one, torch.full_like(one, expected))
    assert round(expected, 3) == (0.254 if sign > 0 else 0.044)


def test_it_has_the_published_number_of_parameters(monkeypatch):
    monkeypatch.setattr(module, "NORM_GROUPS", 32)
    pairs = [A2UPair(channels) for channels in (64, 64, 128, 256)]
    norms = [m for pair in pairs for m in pair.down.modules() if isinstance(m, nn.GroupNorm)]
    assert sum(map(num_parameters, pairs)) - sum(map(num_parameters, norms)) == 38_184
    assert {m.num_groups for m in norms} == {32}
    assert num_parameters(A2UPair(64)) == 5_066
    assert num_parameters(A2UPair(64, sharing="unshared")) == 13_256
