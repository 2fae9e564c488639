"""The momentum encoder follows by the schedule, keeps its own statistics, and resumes."""

import math

import pytest
import torch
from torch import nn

from unstride.models.pretraining.momentum import MomentumEncoder


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def test_the_momentum_rises_from_its_start_to_one():
    encoder = MomentumEncoder(network(), steps=10, start=0.9)
    found = []
    for _ in range(11):
        found.append(encoder.momentum())
        encoder.step += 1
    expected = [1 - 0.1 * (math.cos(math.pi * t / 10) + 1) / 2 for t in range(11)]
    assert found == pytest.approx(expected)
    assert (found[0], found[-1]) == (pytest.approx(0.9), 1.0)


def test_parameters_follow_and_statistics_do_not():
    online = network()
    encoder = MomentumEncoder(online, steps=4, start=0.5)
    before = [p.clone() for p in encoder.parameters()]
    for p in online.parameters():
        p.data += 1
    online[1].running_mean += 7
    encoder.update(online)
    for old, new in zip(before, encoder.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.5)
    assert encoder.network[1].running_mean.abs().max() < 1
    encoder.update(online)
    momentum = 1 - 0.5 * (math.cos(math.pi / 4) + 1) / 2
    torch.testing.assert_close(next(encoder.parameters()), before[0] + 1 - 0.5 * momentum)


def test_it_has_no_gradient_and_is_a_copy():
    online = network()
    encoder = MomentumEncoder(online, steps=4)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not encoder(torch.rand(2, 3, 4, 4, requires_grad=True)).requires_grad
    assert encoder.network[0].weight is not online[0].weight


def test_the_step_is_in_the_state_dict():
    encoder, resumed = (MomentumEncoder(network(), steps=9) for _ in range(2))
    encoder.update(network())
    resumed.load_state_dict(encoder.state_dict())
    assert resumed.momentum() == encoder.momentum() != MomentumEncoder(network(), 9).momentum()


@pytest.mark.parametrize(("steps", "start"), [(0, 0.9), (5, 1.5), (5, -0.1)])
def test_impossible_values_are_refused(steps, start):
    with pytest.raises(ValueError, match="must be"):
        MomentumEncoder(network(), steps, start)
