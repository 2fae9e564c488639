"""The two regeneration modules: what they take, and that a recursive one recurs."""

import pytest
import torch

from unstride.models.regeneration.modules import (
    MODULES,
    ForwardRegeneration,
    RecursiveRegeneration,
    combine,
)


@pytest.fixture
def image():
    return torch.randn(2, 3, 7, 5)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("combination", ["concatenate", "multiply"])
@pytest.mark.parametrize("name", MODULES)
def test_every_parameter_and_both_inputs_get_gradients(name, combination, norm, image):
    module = MODULES[name](4, combination=combination, width=6, norm=norm)
    image, maps = image.requires_grad_(), torch.rand(2, 4, 7, 5, requires_grad=True)
    output = module(image, maps)
    assert output.shape == image.shape
    assert output.min() < 0 < output.max()  # the last layer has no ReLU
    output.square().sum().backward()
    for tensor in (image, maps, *module.parameters()):
        assert tensor.grad.abs().sum() > 0


def test_multiplied_is_the_mean_of_the_channels_times_each_map(image):
    maps = torch.rand(2, 4, 7, 5)
    expected = torch.stack([image.mean(1) * maps[:, i] for i in range(4)], 1)
    torch.testing.assert_close(combine(image, maps, "multiply"), expected)


def test_concatenated_has_the_image_first(image):
    maps = torch.rand(2, 4, 7, 5)
    together = combine(image, maps, "concatenate")
    assert torch.equal(together[:, :3], image)
    assert torch.equal(together[:, 3:], maps)


def test_the_recursive_module_feeds_its_image_back(image):
    module, maps = RecursiveRegeneration(4, steps=3, width=8), torch.rand(2, 4, 7, 5)
    once = RecursiveRegeneration(4, steps=1, width=8)
    once.load_state_dict(module.state_dict())
    expected = image
    for _ in range(3):
        expected = once(expected, maps)
    torch.testing.assert_close(module(image, maps), expected)
    assert not torch.equal(once(image, maps), expected)


def test_depth_and_width_are_those_asked_for():
    layers = ForwardRegeneration(2, width=5, blocks=2).layers
    shapes = [tuple(p.shape) for n, p in layers.named_parameters() if p.ndim == 4]
    assert shapes == [(5, 5, 3, 3), (5, 5, 3, 3), (3, 5, 3, 3)]


def test_group_norm_divides_any_width():
    RecursiveRegeneration(2, width=7)(torch.randn(1, 3, 4, 4), torch.rand(1, 2, 4, 4))
