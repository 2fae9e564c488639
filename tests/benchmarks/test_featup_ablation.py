"""The control's stack differs from the published one in the gradient of 42 taps alone."""

import torch

from benchmarks.featup_ablation import TAPS_WITH_GRADIENT, SevenTapStack, mask_gradient
from unstride.upsamplers import FeatUpStack


def test_only_seven_taps_are_heard():
    gradient = torch.randn(2, 1, 7, 7, 4, 5)
    kept = mask_gradient(gradient).flatten(2, 3)
    assert torch.equal(
        kept[:, :, TAPS_WITH_GRADIENT], gradient.flatten(2, 3)[:, :, TAPS_WITH_GRADIENT]
    )
    assert kept.count_nonzero() == 2 * len(TAPS_WITH_GRADIENT) * 20


def test_the_values_are_the_same_and_the_gradients_are_not():
    torch.manual_seed(0)
    full = FeatUpStack(3, 4, mix=False).eval()
    seven = SevenTapStack(3, 4, mix=False).eval()
    seven.load_state_dict(full.state_dict())
    features, guide = torch.randn(1, 3, 5, 6), torch.rand(1, 3, 20, 24)
    assert torch.equal(full(features, guide), seven(features, guide))
    for stack in (full, seven):
        stack(features, guide).square().sum().backward()
    pairs = zip(full.named_parameters(), seven.parameters(), strict=True)
    differ = {n for (n, p), q in pairs if not torch.allclose(p.grad, q.grad, rtol=1e-3)}
    assert len(differ) == len(list(full.parameters()))
