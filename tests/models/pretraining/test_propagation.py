"""Propagation by its formula, and what the entropy of its attention says."""

import pytest
import torch
from torch.nn.functional import normalize

from unstride.models.pretraining.propagation import PixelPropagation, attention_entropy


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_it_is_the_papers_sum_over_all_cells(layers, gamma):
    module = PixelPropagation(5, gamma=gamma, layers=layers).double().eval()
    cells = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    values = normalize(module.transform(cells), dim=1).flatten(2)
    directions = normalize(cells, dim=1).flatten(2)
    expected = torch.zeros_like(values)
    for b in range(2):
        for i in range(12):
            for j in range(12):
                cosine = (directions[b, :, i] @ directions[b, :, j]).clamp(min=0)
                weight = (cosine + (1e-6 if gamma < 1 else 0)) ** gamma
                expected[b, :, i] += weight * values[b, :, j]
    torch.testing.assert_close(module(cells), normalize(expected, dim=1).view(2, 5, 3, 4))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients(gamma):
    module = PixelPropagation(3, gamma=gamma, layers=1).double()
    cells = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, cells)
    module(cells).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())


def test_similarities_are_in_float32_under_autocast():
    module, cells = PixelPropagation(8, layers=0), torch.randn(1, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        inside = module(cells)
    torch.testing.assert_close(inside, module(cells))


def test_the_entropy_is_zero_for_one_cell_and_one_for_all():
    torch.testing.assert_close(attention_entropy(torch.eye(6)[None]), torch.tensor(0.0))
    torch.testing.assert_close(attention_entropy(torch.ones(2, 6, 6)), torch.tensor(1.0))


@pytest.mark.parametrize(("options", "name"), [({"gamma": 0}, "gamma"), ({"layers": 3}, "layers")])
def test_impossible_values_are_refused(options, name):
    with pytest.raises(ValueError, match=name):
        PixelPropagation(4, **options)
