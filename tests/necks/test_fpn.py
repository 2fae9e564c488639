"""FPN is torchvision's with its checkpoints, until its operator is another one."""

from collections import OrderedDict
from functools import partial

import pytest
import torch
from torchvision.ops import FeaturePyramidNetwork, feature_pyramid_network

from tests.necks.factories import FACTORIES, CustomUpsampler, parameters_without_gradient, randomise
from unstride.necks.extra_levels import LastLevelMaxPool, LastLevelP6P7
from unstride.necks.fpn import FPN
from unstride.upsamplers import (
    CarafeUpsample,
    Nearest,
)
from unstride.upsamplers.by_name import create_upsampler

CHANNELS = {4: 6, 8: 10, 16: 14}


def features_of(h=5, w=7, exact=True, channels=CHANNELS):
    """Each level twice as fine as the next, or a pixel less."""
    less = int(not exact)
    coarsest = max(channels)
    return {
        stride: torch.randn(
            2, c, h * coarsest // stride - less, w * coarsest // stride - less, requires_grad=True
        )
        for stride, c in channels.items()
    }


def torchvisions(extra=None, channels=CHANNELS, width=8):
    return FeaturePyramidNetwork(list(channels.values()), width, extra)


EXTRAS = {
    "none": (lambda: None, lambda: None, ()),
    "pool": (LastLevelMaxPool, feature_pyramid_network.LastLevelMaxPool, (32,)),
    "P6 P7 from the features": (
        lambda: LastLevelP6P7(14, 8),
        lambda: feature_pyramid_network.LastLevelP6P7(14, 8),
        (32, 64),
    ),
    "P6 P7 from the level": (
        lambda: LastLevelP6P7(8, 8),
        lambda: feature_pyramid_network.LastLevelP6P7(8, 8),
        (32, 64),
    ),
}


@pytest.mark.parametrize("exact", [True, False], ids=["exact octaves", "a pixel less"])
@pytest.mark.parametrize("extra", EXTRAS)
def test_it_is_torchvisions_bit_for_bit_and_takes_its_weights(extra, exact):
    ours, theirs, strides = EXTRAS[extra]
    theirs = randomise(torchvisions(theirs()))
    fpn = FPN(CHANNELS, 8, extra_levels=ours())
    fpn.load_state_dict(theirs.state_dict(), strict=True)
    features = features_of(exact=exact)

    levels = fpn(features)
    expected = theirs(OrderedDict((str(stride), maps) for stride, maps in features.items()))

    assert list(levels) == [4, 8, 16, *strides]
    for level, maps in zip(levels.values(), expected.values(), strict=True):
        assert torch.equal(level, maps)


def test_with_batch_normalisation_it_is_torchvisions_too():
    theirs = randomise(FeaturePyramidNetwork([6, 10, 14], 8, norm_layer=torch.nn.BatchNorm2d))
    fpn = FPN(CHANNELS, 8, norm_layer=torch.nn.BatchNorm2d)
    fpn.load_state_dict(theirs.state_dict(), strict=True)
    features = features_of()
    expected = theirs(OrderedDict((str(stride), maps) for stride, maps in features.items()))
    for level, maps in zip(fpn(features).values(), expected.values(), strict=True):
        assert torch.equal(level, maps)


def test_nearest_about_centres_is_the_same_on_exact_octaves():
    corner, centre = FPN(CHANNELS, 8), FPN(CHANNELS, 8, Nearest)
    centre.load_state_dict(corner.state_dict())
    features = features_of()
    for a, b in zip(corner(features).values(), centre(features).values(), strict=True):
        assert torch.equal(a, b)


def test_checkpoints_of_old_torchvision_load():
    state = torchvisions().state_dict()
    old = {".".join(key.split(".")[i] for i in (0, 1, 3)): v for key, v in state.items()}
    assert "inner_blocks.1.weight" in old
    outer = torch.nn.ModuleDict({"fpn": FPN(CHANNELS, 8)})
    outer.load_state_dict({f"fpn.{key}": value for key, value in old.items()}, strict=True)
    for key, value in outer["fpn"].state_dict().items():
        assert torch.equal(value, state[key])


def test_starts_as_torchvision_does():
    torch.manual_seed(3)
    fpn = FPN(CHANNELS, 64)
    for blocks in (fpn.inner_blocks, fpn.layer_blocks):
        for block in blocks:
            fan_in = block[0].weight[0].numel()
            assert block[0].weight.abs().max() <= (3 / fan_in) ** 0.5
            assert block[0].weight.abs().max() > 0.9 * (3 / fan_in) ** 0.5
            assert (block[0].bias == 0).all()


@pytest.mark.parametrize("name", FACTORIES)
def test_any_operator_on_any_size_and_every_parameter_learns(name):
    fpn = FPN(CHANNELS, 8, FACTORIES[name])
    features = features_of(exact=False)
    image = torch.rand(2, 3, 20, 28)
    levels = fpn(features, image)
    assert [maps.shape for maps in levels.values()] == [
        (2, 8, *features[stride].shape[2:]) for stride in CHANNELS
    ]
    sum(maps.square().sum() for maps in levels.values()).backward()
    assert parameters_without_gradient(fpn) == []
    assert all(maps.grad is not None for maps in features.values())


@pytest.mark.parametrize("name", FACTORIES)
@torch.inference_mode()
def test_an_image_knows_nothing_of_its_batch(name):
    fpn = randomise(FPN(CHANNELS, 8, FACTORIES[name])).eval()
    features, image = features_of(), torch.rand(2, 3, 20, 28)
    both = fpn(features, image)
    alone = fpn({stride: maps[1:] for stride, maps in features.items()}, image[1:])
    for stride in both:
        torch.testing.assert_close(both[stride][1:], alone[stride])


def test_the_guide_is_the_finer_level_narrowed():
    fpn = FPN({4: 6, 8: 10}, 8, CustomUpsampler)
    features = features_of(channels={4: 6, 8: 10})
    fine, coarse = (block(features[s]) for s, block in zip((4, 8), fpn.inner_blocks, strict=True))
    expected = fine + fpn.upsamplers[0](coarse, fine, fine.shape[2:])
    assert torch.equal(fpn(features)[4], fpn.layer_blocks[0](expected))


def test_the_operator_is_what_the_steps_ask_for():
    fpn = FPN({4: 6, 16: 10, 32: 3}, 8, partial(create_upsampler, "carafe", kernel_size=3))
    assert [(type(up), up.scale, up.kernel_size) for up in fpn.upsamplers] == [
        (CarafeUpsample, 4, 3),
        (CarafeUpsample, 2, 3),
    ]


def test_refusals():
    with pytest.raises(ValueError, match=r"strides must each divide the next, got \[4, 6\]"):
        FPN({4: 6, 6: 10})
    with pytest.raises(ValueError, match="strides must each divide"):
        FPN({})
    for name in ("naf", "anyup", "featup_jbu"):
        with pytest.raises(ValueError, match=r"needs a guide of 3 channels, available: 8$"):
            FPN(CHANNELS, 8, FACTORIES[name])(features_of())


def test_a_guide_that_is_bound_stays():
    fpn = FPN({4: 6, 8: 10}, 8, partial(create_upsampler, "sapa", guide_channels=3))
    assert fpn.upsamplers[0].guide_channels == 3
    with pytest.raises(ValueError, match="needs a guide of 3 channels"):
        fpn(features_of(channels={4: 6, 8: 10}))
