"""The stack computes what the paper's code computes, in its own order."""

import pytest
import torch

from benchmarks.formulations import PublishedStack
from unstride.upsamplers import FeatUpStack
from unstride.upsamplers.featup import after_bicubic, bicubic_taps


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


@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_bicubic_taps_sum_to_one_and_see_no_more_than_they_must(k):
    taps = bicubic_taps(k)
    torch.testing.assert_close(taps.sum(2), torch.ones(2, k, dtype=torch.float64))
    assert taps.shape[2] % 2 == 1
    assert (taps[:, :, 0] != 0).any()
    assert (taps[:, :, -1] != 0).any()


def test_weights_keep_their_sum_behind_the_bicubic():
    weights = torch.randn(1, 1, 7, 7, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(
        after_bicubic(weights, bicubic_taps(7)).sum((2, 3)), weights.sum((2, 3))
    )
