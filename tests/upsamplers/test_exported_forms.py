"""What is written differently in exported graphs computes the same as in Python."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from unstride.upsamplers import guided_filter, layers, resize


@pytest.fixture
def exporting(monkeypatch):
    for module in (guided_filter, layers, resize):
        monkeypatch.setattr(module, "standard_operators_only", lambda: True)


@pytest.mark.parametrize(
    "size", [(15, 10), (5, 30), (10, 10), (5, 10), (7, 13), (5, 5), (5, 410)], ids=str
)
def test_nearest_takes_the_same_pixels(size, exporting, monkeypatch):
    maps = torch.randn(2, 3, 5, 10)
    expected = interpolate(maps, size, mode="nearest-exact")
    modes = []

    def interpolate_and_note(maps, size, mode):
        modes.append(mode)
        return interpolate(maps, size, mode=mode)

    monkeypatch.setattr("unstride.ops.portable_taps.interpolate", interpolate_and_note)
    monkeypatch.setattr(resize, "interpolate", interpolate_and_note)
    assert torch.equal(resize.resize(maps, size, "nearest-exact"), expected)
    assert "nearest-exact" not in modes


def test_other_modes_stay_as_they_are(exporting):
    maps = torch.randn(2, 3, 5, 10)
    expected = interpolate(maps, (7, 9), mode="bilinear")
    assert torch.equal(resize.resize(maps, (7, 9), "bilinear"), expected)


@pytest.mark.parametrize("eps", [None, 0.1])
def test_rms_norm_is_torchs(eps, exporting):
    norm = layers.RMSNorm(6, eps=eps).double()
    nn.init.normal_(norm.weight)
    vectors = torch.randn(2, 3, 6, dtype=torch.float64)
    expected = torch.nn.functional.rms_norm(vectors, (6,), norm.weight, eps)
    torch.testing.assert_close(norm(vectors), expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_product_is_added(sign, exporting):
    total, first, second = torch.randn(3, 2, 5, dtype=torch.float64)
    expected = torch.addcmul(total, first, second, value=sign)
    torch.testing.assert_close(guided_filter.add_product(total, first, second, sign), expected)
