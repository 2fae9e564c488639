"""The learned fixed kernels against their sums, pixel by pixel."""

import pytest
import torch
from torch.nn.functional import conv2d, interpolate, pixel_shuffle

from tests.upsamplers.pixel_reference import (
    assert_matches_reference,
    map_of_pixels,
    neighbourhood,
    num_parameters,
    resize_bilinear,
    source_pixel,
    sub_pixel,
)
from unstride.upsamplers import (
    BilinearConvolution,
    Deconvolution,
    NearestConvolution,
    PixelShuffle,
)


def resize_and_convolve(up, features, size):
    """The kernel over a fine map that has zeros beyond its border."""
    (h, w), (H, W), kernel = features.shape[2:], size, up.conv.weight

    def fine(coarse):
        if isinstance(up, BilinearConvolution):
            return resize_bilinear(coarse, size)
        return map_of_pixels(
            lambda y, x: coarse[:, source_pixel(y, h, H), source_pixel(x, w, W)], size
        )

    def pixel(fine, y, x):
        near = neighbourhood(fine, y, x, kernel.shape[2])
        return torch.einsum("ocpq, cpq -> o", kernel, near) + up.conv.bias

    maps = [fine(coarse) for coarse in features]
    return torch.stack([map_of_pixels(lambda y, x, f=f: pixel(f, y, x), size) for f in maps])


@pytest.mark.parametrize("size", [(6, 10), (7, 9)], ids=str)
@pytest.mark.parametrize("method", [NearestConvolution, BilinearConvolution])
def test_resize_then_convolve_on_the_fine_grid(method, size):
    assert_matches_reference(
        method(3, kernel_size=5), resize_and_convolve, torch.randn(2, 3, 3, 5), size=size
    )


def deconvolution_reference(up, features):
    """Every input pixel leaves its kernel around the middle of its own output pixels."""
    s, k = up.scale, up.conv.kernel_size[0]
    margin = (k - s + 1) // 2  # an odd one reaches further up and left
    b, _, h, w = features.shape
    out = [[up.conv.bias.expand(b, -1) for _ in range(s * w)] for _ in range(s * h)]
    for i in range(h):
        for j in range(w):
            for p in range(k):
                for q in range(k):
                    y, x = s * i + p - margin, s * j + q - margin
                    if 0 <= y < s * h and 0 <= x < s * w:
                        out[y][x] = out[y][x] + features[:, :, i, j] @ up.conv.weight[:, :, p, q]
    return torch.stack([torch.stack(row, -1) for row in out], -2)


@pytest.mark.parametrize(("scale", "k"), [(2, None), (2, 2), (2, 4), (3, None), (3, 4)])
def test_a_transposed_convolution_spreads_every_pixel(scale, k):
    up = Deconvolution(3, scale, kernel_size=k)
    assert_matches_reference(up, deconvolution_reference, torch.randn(2, 3, 3, 4))


def test_what_no_transposed_convolution_can_be_is_refused():
    with pytest.raises(ValueError, match="kernel_size must be at least the scale 3, got 2"):
        Deconvolution(3, 3, kernel_size=2)
    with pytest.raises(ValueError, match="kernel_size must be odd at scale 1, got 2"):
        Deconvolution(3, 1, kernel_size=2)
    assert Deconvolution(3, 1, kernel_size=3)(torch.randn(1, 3, 4, 5)).shape == (1, 3, 4, 5)


def test_a_kernel_as_wide_as_the_scale_fills_the_pixel_and_no_other():
    up, features = Deconvolution(1, 3, kernel_size=3), torch.randn(1, 1, 3, 5)
    kernel = torch.randn(3, 3)
    with torch.no_grad():
        up.conv.weight.copy_(kernel[None, None])
        up.conv.bias.zero_()
    torch.testing.assert_close(up(features)[0, 0], torch.kron(features[0, 0], kernel))


def convolve_and_lay_out(up, features, size):
    """Channel c of sub-pixel (u, v) is number c s^2 + u s + v of the convolution."""
    s, (h, w) = up.scale, features.shape[2:]

    def pixel(coarse, y, x):
        (i, u), (j, v) = sub_pixel(y, h, size[0], s), sub_pixel(x, w, size[1], s)
        kernel, bias = (t[u * s + v :: s * s] for t in (up.conv.weight, up.conv.bias))
        near = neighbourhood(coarse, i, j, up.conv.kernel_size[0])
        return torch.einsum("ocpq, cpq -> o", kernel, near) + bias

    return torch.stack([map_of_pixels(lambda y, x, f=f: pixel(f, y, x), size) for f in features])


@pytest.mark.parametrize("scale", [2, 3])
def test_pixel_shuffle_lays_channels_out_in_space(scale):
    features, up = torch.randn(2, 3, 3, 5), PixelShuffle(3, scale, start="published")
    size = 3 * scale, 5 * scale
    assert_matches_reference(up, convolve_and_lay_out, features, size=size)
    features = features.double()
    expected = pixel_shuffle(conv2d(features, up.conv.weight, up.conv.bias, padding=1), scale)
    torch.testing.assert_close(up(features), expected)


@pytest.mark.parametrize("method", [Deconvolution, PixelShuffle])
def test_at_another_size_the_result_is_resized(method):
    up, features = method(3), torch.randn(1, 3, 3, 5)
    smooth = interpolate(up(features), (7, 9), mode="bilinear", antialias=True)
    torch.testing.assert_close(up(features, size=(7, 9)), smooth)


@pytest.mark.parametrize(
    ("method", "kernels", "biases"),
    [
        (NearestConvolution, 589_824, 256),
        (BilinearConvolution, 589_824, 256),
        (Deconvolution, 589_824, 256),
        (PixelShuffle, 2_359_296, 1024),
    ],
)
def test_parameters_are_those_of_carafes_table(method, kernels, biases):
    assert num_parameters(method(256, start="published")) == kernels + biases
