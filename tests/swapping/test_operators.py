"""Every upsampler of the library goes into a model by its name, guided or not, and trains there."""

import pytest
import torch
from torchvision.ops import FeaturePyramidNetwork

from tests.swapping.toy_networks import ToyNet
from unstride import find_places, list_upsamplers, swap, unswap

FIXED = {"nearest", "bilinear", "bicubic", "guided_filter", "joint_bilateral", "max_unpool"}
OPTIONS = {"featup_jbu": {"pretrained": False}, "dysample": {"groups": 2}}
every = pytest.mark.parametrize("name", list_upsamplers())


def pyramid():
    """A detector's neck, whose finer laterals are at hand as guides."""
    maps = {f"p{i}": torch.randn(2, 8, 32 >> i, 48 >> i) for i in range(3)}
    return FeaturePyramidNetwork([8, 8, 8], 8), maps


@every
def test_into_a_pyramid(name):
    neck, maps = pyramid()
    if name in ("featup_jbu", "naf", "anyup"):  # they look at images: there is none
        with pytest.raises(ValueError, match="no guide of 3 channels is available"):
            swap(neck, name, example=(maps,), **OPTIONS.get(name, {}))
        return
    before = {k: v.clone() for k, v in neck(maps).items()}
    swap(neck, name, example=(maps,), **OPTIONS.get(name, {}))
    assert [place.upsampler_name != "" for place in find_places(neck)] == [True, True]
    after = neck(maps)
    assert {k: v.shape for k, v in after.items()} == {k: v.shape for k, v in before.items()}
    sum(v.square().sum() for v in after.values()).backward()
    new = {n: p.grad for n, p in neck.named_parameters() if "unstride_up" in n}
    assert bool(new) == (name not in FIXED)
    assert all(gradient is not None for gradient in new.values())
    unswap(neck)
    restored = neck(maps)
    assert all(torch.equal(restored[k], before[k]) for k in before)


@pytest.mark.parametrize("name", ["carafe", "dysample", "a2u", "pixel_shuffle"])
def test_into_a_network_whole_under_compilation(name):
    net, image = ToyNet().eval(), torch.randn(1, 3, 16, 24)
    swap(net, name, example=image, **OPTIONS.get(name, {}))
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        expected, actual = net(image), compiled(image)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
