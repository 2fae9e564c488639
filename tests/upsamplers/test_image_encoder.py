"""The encoder is the first stages of timm's network, at any size."""

import pytest
import torch

from unstride.backbones.encoder_weights import load_folded_weights
from unstride.backbones.timm_backbone import create_backbone
from unstride.upsamplers.image_encoder import Conv2dSame, ImageEncoder, fold_batch_norm


@pytest.fixture(scope="module")
def pair():
    encoder, backbone = ImageEncoder().eval(), create_backbone()
    load_folded_weights(encoder, backbone.model)
    return encoder, backbone.model


@pytest.mark.parametrize("size", [(64, 96), (67, 50), (33, 64), (2, 3)])
def test_its_maps_are_those_of_the_network_that_it_was_taken_from(pair, size):
    encoder, model = pair
    image = torch.rand(2, 3, *size)
    with torch.no_grad():
        expected = model.forward_intermediates(
            2 * image - 1, indices=[0, 1, 2, 3], output_fmt="NCHW", intermediates_only=True
        )
        actual = encoder(image)
    assert tuple(m.shape[1] for m in actual) == encoder.channels
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_folded_norm_does_what_it_did_before():
    convolution, norm = torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.BatchNorm2d(5, eps=1e-3)
    for tensor in norm.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    image = torch.randn(2, 3, 7, 8)
    weight, bias = fold_batch_norm(convolution.weight, norm.state_dict(), norm.eps)
    actual = torch.nn.functional.conv2d(image, weight, bias)
    torch.testing.assert_close(actual, norm.eval()(convolution(image)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n", "stride"), [(7, 2), (8, 2), (5, 1), (9, 3)])
def test_a_pixel_for_each_begun_stride(n, stride):
    assert Conv2dSame(1, 1, 5, stride=stride)(torch.rand(1, 1, n, 4)).shape[2] == -(-n // stride)
