"""The stack computes what the paper's code computes, in its own order."""

import pytest
import torch
from torch.nn.functional import interpolate

from benchmarks.torch_baselines import PublishedStack
from unstride.ops import fold_border, reassemble
from unstride.upsamplers import FeatUpStack
from unstride.upsamplers.featup import (
    DOUBLING_KERNELS,
    clamp_away_from_zero,
    compose_with_doubling,
    composed_taps,
)


@pytest.fixture
def stack():
    stack = FeatUpStack(10, 4).double().eval()
    for p in stack.parameters():  # nothing is left at a value that hides it
        p.data += 0.2 * torch.randn_like(p)
    return stack


def test_the_stack_equals_the_published_order_of_computation(stack):
    features, guide = torch.randn(2, 10, 6, 9).double(), torch.rand(2, 3, 50, 70).double()
    torch.testing.assert_close(stack(features, guide), PublishedStack(stack)(features, guide))


def test_so_do_its_gradients(stack):
    features = torch.randn(1, 10, 5, 4, dtype=torch.float64, requires_grad=True)
    guide = torch.rand(1, 3, 20, 16).double()
    leaves = [features, *stack.parameters()]
    cotangent = torch.randn(1, 10, 20, 16).double()
    for up in (stack, PublishedStack(stack)):
        gradients = torch.autograd.grad((up(features, guide) * cotangent).sum(), leaves)
        if up is stack:
            expected = gradients
    for (name, _), a, b in zip(
        [("features", 0), *stack.named_parameters()], gradients, expected, strict=True
    ):
        torch.testing.assert_close(a, b, msg=name)


def test_parameters_are_the_published_number():
    count = lambda d: sum(p.numel() for p in FeatUpStack(d, 16).parameters())  # noqa: E731
    assert count(384) == 172_772
    assert count(512) == 287_588
    assert sum(p.numel() for p in FeatUpStack(384, 16).stages[0].parameters()) == 6_233


@pytest.mark.parametrize("source", DOUBLING_KERNELS)
@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_taps_sum_to_one_and_see_no_more_than_they_must(k, source):
    taps = composed_taps(DOUBLING_KERNELS[source], k)
    torch.testing.assert_close(taps.sum(2), torch.ones(2, k, dtype=torch.float64))
    assert taps.shape[2] % 2 == 1
    assert (taps[:, :, 0] != 0).any()
    assert (taps[:, :, -1] != 0).any()


@pytest.mark.parametrize("source", DOUBLING_KERNELS)
def test_one_tap_alone_is_the_plain_resize(source):
    """A 1 x 1 filter of weight 1 behind the doubling leaves the doubling."""
    features = torch.randn(1, 3, 5, 6, dtype=torch.float64)
    weights = torch.ones(1, 1, 1, 1, 10, 12, dtype=torch.float64)
    weights = compose_with_doubling(weights, composed_taps(DOUBLING_KERNELS[source], 1))
    weights = fold_border(weights, (5, 6), "replicate")
    expected = interpolate(features, scale_factor=2, mode=source, align_corners=False)
    torch.testing.assert_close(reassemble(features, weights), expected)


def test_weights_keep_their_sum_behind_the_bicubic():
    weights = torch.randn(1, 1, 7, 7, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(
        compose_with_doubling(weights, composed_taps(DOUBLING_KERNELS["bicubic"], 7)).sum((2, 3)),
        weights.sum((2, 3)),
    )


@pytest.mark.parametrize("renormalise", [False, True])
def test_renormalised_weights_sum_to_one(renormalise):
    stack = FeatUpStack(4, 2, renormalise=renormalise, mix=False).double().eval()
    for p in stack.parameters():
        p.data += 0.2 * torch.randn_like(p)
    sums = stack.stages[0].guide_weights(torch.rand(1, 3, 8, 6).double()).sum((2, 3))
    assert torch.allclose(sums, torch.ones_like(sums)) == renormalise


def test_sums_to_divide_by_keep_their_sign_and_their_distance_from_zero():
    sums = torch.tensor([-2.0, -0.01, 0.0, 0.05, 3.0])
    assert clamp_away_from_zero(sums).tolist() == pytest.approx([-2.0, -0.1, 0.1, 0.1, 3.0])


def test_the_papers_own_sizes_are_options_and_others_are_refused():
    stack = FeatUpStack(4, 4, radius=1, key_channels=30, source="bilinear").eval()
    assert stack.stages[0].key[0].out_channels == 30
    assert stack.stages[0].guide_weights(torch.rand(1, 3, 8, 6)).shape == (1, 1, 3, 3, 8, 6)
    assert stack(torch.randn(1, 4, 4, 3), torch.rand(1, 3, 16, 12)).shape == (1, 4, 16, 12)
    with pytest.raises(ValueError, match="source must be one of bicubic, bilinear, got 'cubic'"):
        FeatUpStack(4, source="cubic")
