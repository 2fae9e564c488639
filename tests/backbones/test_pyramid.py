"""Pyramids: each stride its grid and its channels, and every parameter learns."""

import pytest
import torch

from unstride import create_backbone
from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import PlainViTPyramid, Pyramid, create_pyramid

KNOWN = {
    "tf_efficientnet_lite0": (24, 40, 112, 320),
    "resnet18": (64, 128, 256, 512),
    "convnext_atto": (40, 80, 160, 320),
    "swin_tiny_patch4_window7_224": (96, 192, 384, 768),
    "hrnet_w18_small": (16, 32, 64, 128),
}


@pytest.mark.filterwarnings("ignore")  # of models, about themselves
@pytest.mark.parametrize("name", KNOWN)
@torch.inference_mode()
def test_each_stride_has_its_grid_and_its_channels(name):
    pyramid = create_pyramid(name, pretrained=False).eval()
    assert pyramid.channels == dict(zip((4, 8, 16, 32), KNOWN[name], strict=True))
    for size in [(33, 70), (64, 64)]:
        height, width = pyramid.padded_size(size)
        features = pyramid(torch.rand(2, 3, *size))
        assert list(features) == [4, 8, 16, 32]
        for stride, maps in features.items():
            grid = height // stride, width // stride
            assert maps.shape == (2, pyramid.channels[stride], *grid)


@pytest.mark.filterwarnings("ignore")  # of models, about themselves
def test_parameters_that_change_with_the_image_are_refused():
    """An optimiser would go on holding the old ones."""
    pyramid = create_pyramid("coatnet_pico_rw_224", pretrained=False)
    with pytest.raises(ValueError, match=r"coatnet_pico_rw_224 cannot be trained at .*: its para"):
        pyramid(torch.rand(1, 3, 64, 96))


@torch.inference_mode()
def test_a_hiera_without_a_last_norm():
    pyramid = create_pyramid("hieradet_small", pretrained=False).eval()
    assert pyramid(torch.rand(1, 3, 64, 96))[4].shape[2:] == (16, 24)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "hrnet_w18_small", "resnet18"])
@pytest.mark.parametrize("strides", [(4, 8, 16, 32), (2, 8)])
def test_gradients_reach_every_parameter(name, strides):
    if name.startswith("hrnet") and 32 not in strides:
        pytest.skip("the branches of an HRNet are computed together, whichever are taken")
    pyramid = create_pyramid(name, strides, pretrained=False)
    sum(maps.sum() for maps in pyramid(torch.rand(2, 3, 64, 64)).values()).backward()
    assert [key for key, p in pyramid.named_parameters() if p.grad is None] == []
    assert pyramid.training


@pytest.mark.parametrize("stride", [4, 8, 16, 32])
@torch.inference_mode()
def test_it_is_the_backbone_at_each_stride(stride):
    image = torch.rand(1, 3, 50, 70)
    pyramid = create_pyramid().eval()
    assert torch.equal(pyramid(image)[stride], create_backbone(stride=stride)(image))


def test_a_plain_transformer_has_one_map_and_every_stride():
    name, image = "vit_tiny_patch16_224", torch.rand(1, 3, 50, 70)
    pyramid = create_pyramid(name, pretrained=False)
    alone = create_pyramid(name, (16,), pretrained=False)
    alone.model.load_state_dict(pyramid.model.state_dict())
    levels = pyramid(image)
    assert (type(pyramid), type(alone)) == (PlainViTPyramid, Pyramid)
    assert {s: tuple(level.shape[1:]) for s, level in levels.items()} == {
        4: (48, 16, 24), 8: (96, 8, 12), 16: (192, 4, 6), 32: (192, 2, 3),
    }  # fmt: skip
    assert pyramid.padded_size((50, 70)) == (64, 96)
    torch.testing.assert_close(alone(pad_image(image, (64, 96)))[16], levels[16])
    sum(level.square().sum() for level in levels.values()).backward()
    assert [key for key, p in pyramid.named_parameters() if p.grad is None] == []


def test_the_true_branches_of_hrnet():
    pyramid = create_pyramid("hrnet_w18", pretrained=False)
    assert pyramid.channels == {4: 18, 8: 36, 16: 72, 32: 144}


def test_strides_in_any_order_and_a_model_of_ones_own():
    model = create_backbone("resnet18", pretrained=False).model
    pyramid = Pyramid(model, (16, 4))
    assert (pyramid.strides, pyramid.name) == ((4, 16), "custom")
    assert list(pyramid(torch.rand(1, 3, 32, 32))) == [4, 16]


def test_weights_from_a_file(tmp_path):
    from safetensors.torch import save_file

    source = create_pyramid("resnet18", pretrained=False).eval()
    save_file(source.model.state_dict(), tmp_path / "w.safetensors")
    loaded = create_pyramid("resnet18", weights=tmp_path / "w.safetensors").eval()
    with torch.inference_mode():
        image = torch.rand(1, 3, 64, 64)
        assert torch.equal(loaded(image)[32], source(image)[32])


def test_refusals():
    with pytest.raises(ValueError, match=r"stride must be one of 2, 4, .* for resnet18, got 3"):
        create_pyramid("resnet18", (3, 4), pretrained=False)
    with pytest.raises(ValueError, match=r"custom must have .* got 2, 4, 8, 16, 32; use Pyramid"):
        PlainViTPyramid(create_backbone("resnet18", pretrained=False).model)
    with pytest.raises(ValueError, match=r"strides must have at least one value, got \(\)"):
        create_pyramid(strides=(), pretrained=False)
    with pytest.raises(ValueError, match=r"image must be \(batch, 3"):
        create_pyramid(pretrained=False)(torch.rand(3, 20, 20))
    with pytest.raises(ValueError, match=r"got values from -3 to 1: pass it without normalisation"):
        create_pyramid(pretrained=False)(torch.tensor([-3.0, 1.0]).expand(1, 3, 2, 2))
