"""`copy_kernels`: an operator begins as the transposed convolution that it replaces."""

import pytest
import torch
from torch import nn

from unstride import create_upsampler, swap, unswap

LAYERS = {
    "kernel 4": (4, 2, 1, 0),
    "kernel 2": (2, 2, 0, 0),
    "kernel 3": (3, 2, 1, 1),
    "scale 4": (8, 4, 2, 0),
}


def network(kernel_size, stride, padding, output_padding, channels=(6, 6), bias=True):
    layer = nn.ConvTranspose2d(*channels, kernel_size, stride, padding, output_padding, bias=bias)
    return nn.Sequential(
        nn.Conv2d(3, channels[0], 3, padding=1), layer, nn.Conv2d(channels[1], 2, 1)
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["deconv", "pixel_shuffle"])
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_the_answers_stay_up_to_the_border(layer, name, bias):
    model, image = network(*layer, bias=bias).double(), torch.randn(2, 3, 5, 7).double()
    before = model(image)
    swap(model, name, example=image, copy_kernels=True)
    torch.testing.assert_close(model(image), before, rtol=0, atol=1e-12)
    larger = torch.randn(1, 3, 9, 8).double()
    after = model(larger)
    torch.testing.assert_close(after, unswap(model)(larger), rtol=0, atol=1e-12)


def test_without_the_option_an_operator_begins_as_an_interpolation():
    model, image = network(4, 2, 1, 0), torch.randn(1, 3, 5, 7)
    before = model(image)
    swap(model, "deconv", example=image)
    assert not torch.allclose(model(image), before, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        ({}, "carafe", "copy_kernels needs deconv or pixel_shuffle, got CarafeUpsample for 1"),
        ({"channels": (6, 4)}, "deconv", "copy_kernels at 1: it has 6 channels in, 4 out"),
        (
            {"padding": 0},
            "deconv",
            r"copy_kernels at 1: .*must have padding \(1, 1\), got \(0, 0\)",
        ),
        (
            {"kernel_size": 10, "padding": 4},
            "pixel_shuffle",
            "must reach as far, got kernel_size 3",
        ),
    ],
)
def test_what_cannot_hold_a_kernel_is_refused_and_the_model_unchanged(change, name, message):
    options = {"kernel_size": 4, "stride": 2, "padding": 1, "output_padding": 0}
    model, image = network(**(options | change)), torch.randn(1, 3, 5, 7)
    before = model(image)
    with pytest.raises(ValueError, match=message):
        swap(model, name, example=image, copy_kernels=True)
    assert torch.equal(model(image), before)


def test_a_layer_of_another_stride_or_with_groups_is_refused():
    up = create_upsampler("pixel_shuffle", 6)
    with pytest.raises(ValueError, match=r"must have stride \(2, 2\), got \(4, 4\)"):
        up.hold(nn.ConvTranspose2d(6, 6, 8, 4, 2))
    with pytest.raises(ValueError, match="must have groups 1, got 2"):
        create_upsampler("deconv", 6).hold(nn.ConvTranspose2d(6, 6, 4, 2, 1, groups=2))
