"""What evaluations pixel by pixel need, from formulas; nothing of the library is called here."""

from math import floor

import torch
from torch.nn.functional import conv2d, pad, silu


def normalise_imagenet(image):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (image - mean[:, None, None]) / std[:, None, None]


def padded_conv(maps, weight, bias=None, mode="reflect"):
    margin = weight.shape[2] // 2
    return conv2d(pad(maps, (margin,) * 4, mode=mode) if margin else maps, weight, bias)


def group_norm_silu(maps, weight, bias):
    """Group normalisation in 8 groups, each to mean 0 and variance 1, and SiLU."""
    groups = maps.unflatten(1, (8, -1)).flatten(2)
    mean, var = groups.mean(2, keepdim=True), groups.var(2, keepdim=True, correction=0)
    groups = (groups - mean) / (var + 1e-5).sqrt()
    return silu(groups.reshape(maps.shape) * weight[:, None, None] + bias[:, None, None])


def adaptive_pool(maps, size):
    """The mean over what each output cell touches."""
    (h, w), (H, W) = maps.shape[2:], size
    rows = [
        torch.stack(
            [
                maps[:, :, y * h // H : -(-(y + 1) * h // H), x * w // W : -(-(x + 1) * w // W)]
                .mean((2, 3))
                for x in range(W)
            ],
            -1,
        )
        for y in range(H)
    ]  # fmt: skip
    return torch.stack(rows, 2)


def random_state_dict(shapes):
    """Weights of a size that keeps the maps' size, norms around 1."""
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape)
        if len(shape) > 1:
            state[name] = noise / noise[0].numel() ** 0.5
        else:
            state[name] = noise / 4 + (1.0 if "weight" in name else 0.0)
    return state


def value_and_gradients(function, inputs, cotangent):
    """The value, and the gradient in each input; zero where it has no part."""
    value = function()
    gradients = torch.autograd.grad(value, inputs, cotangent, allow_unused=True)
    zeros = (
        torch.zeros_like(t) if g is None else g for t, g in zip(inputs, gradients, strict=True)
    )
    return value, list(zeros)


def source_pixel(y, n_in, n_out):
    """The input pixel in which the centre of output pixel y lies."""
    return (2 * y + 1) * n_in // (2 * n_out)


def sub_pixel(y, n_in, n_out, scale):
    """The input pixel and its sub-pixel, of `scale` a side, in which the centre lies."""
    return divmod(source_pixel(y, scale * n_in, n_out), scale)


def first_tap(y, n_in, n_out, k):
    """The first input pixel that docs/conventions.md puts under output pixel y."""
    centre = (y + 0.5) * n_in / n_out if n_in >= n_out else source_pixel(y, n_in, n_out) + 0.5
    return floor(centre - k / 2 + 1e-9)


def window_at(maps, y, x, size, k):
    """The "c k k" input pixels under output pixel (y, x), zero beyond the border."""
    top, left = (first_tap(*at, k) + k for at in zip((y, x), maps.shape[1:], size, strict=True))
    return pad(maps, (k,) * 4)[:, top : top + k, left : left + k]


def neighbourhood(maps, y, x, k, dilation=1):
    """The "c k k" pixels around pixel (y, x) of the same grid, zero beyond the border."""
    reach = dilation * (k // 2)
    near = pad(maps, (reach,) * 4)[:, y : y + 2 * reach + 1, x : x + 2 * reach + 1]
    return near[:, ::dilation, ::dilation]


def weighted_sum(near, weights):
    """A window "c k k" summed with weights "g k k", group by group of neighbouring channels."""
    share = len(near) // len(weights)
    return torch.stack([(near[i] * weights[i // share]).sum() for i in range(len(near))])


def bilinear_sample(maps, y, x):
    """The value at (y, x), counted from the first pixel's centre; the border is repeated."""
    y, x = (torch.as_tensor(t, dtype=maps.dtype) for t in (y, x))
    y, x = y.clamp(0, maps.shape[1] - 1), x.clamp(0, maps.shape[2] - 1)
    i, j = int(y), int(x)
    below, right = min(i + 1, maps.shape[1] - 1), min(j + 1, maps.shape[2] - 1)
    above = (1 - (x - j)) * maps[:, i, j] + (x - j) * maps[:, i, right]
    return (1 - (y - i)) * above + (y - i) * (
        (1 - (x - j)) * maps[:, below, j] + (x - j) * maps[:, below, right]
    )


def source_coordinate(y, n_in, n_out):
    """Where output pixel y's centre lies, counted from the first input pixel's centre."""
    return (y + 0.5) * n_in / n_out - 0.5


def resize_bilinear(maps, size):
    """A map "c h w" at another size, bilinearly."""
    grid = maps.shape[1:]
    return map_of_pixels(
        lambda y, x: bilinear_sample(
            maps, source_coordinate(y, grid[0], size[0]), source_coordinate(x, grid[1], size[1])
        ),
        size,
    )


def map_of_pixels(pixel, size):
    """The map "c H W" of the vectors pixel(y, x)."""
    rows = [torch.stack([pixel(y, x) for x in range(size[1])], -1) for y in range(size[0])]
    return torch.stack(rows, -2)


def pointwise_conv(maps, layer):
    """A 1 x 1 convolution."""
    out = torch.einsum("oc, chw -> ohw", layer.weight[:, :, 0, 0], maps)
    return out if layer.bias is None else out + layer.bias[:, None, None]


def randomised(module):
    """In double precision, with random numbers where operators start almost uniform."""
    with torch.no_grad():
        for name, t in [*module.double().named_parameters(), *module.named_buffers()]:
            if t.is_floating_point():
                t.normal_(std=max(t[0].numel(), 1) ** -0.5 if t.ndim > 1 else 0.5)
                t.abs_().add_(0.5) if "running_var" in name else None
    return module.eval()


def assert_matches_reference(module, reference, *inputs, idle=(), **options):
    """Values and gradients of module(*inputs) and reference(module, *inputs) agree in float64.

    Gradients in every input and parameter, none of them zero but those named in `idle`.
    """
    inputs = [t.double().requires_grad_() for t in inputs]
    names, parameters = zip(*randomised(module).named_parameters(), strict=True)
    wanted = [*inputs, *parameters]
    cotangent = torch.randn_like(module(*inputs, **options))
    actual, ours = value_and_gradients(lambda: module(*inputs, **options), wanted, cotangent)
    expected, theirs = value_and_gradients(
        lambda: reference(module, *inputs, **options), wanted, cotangent
    )
    torch.testing.assert_close(actual, expected)
    names = *(f"input {i}" for i in range(len(inputs))), *names
    for name, got, gradient in zip(names, ours, theirs, strict=True):
        assert bool(gradient.abs().max() > 1e-9) is (name not in idle), name
        torch.testing.assert_close(got, gradient, msg=lambda text, name=name: f"{name}: {text}")


def num_parameters(module):
    """How many numbers are learned; what two parts share counts once."""
    return sum(p.numel() for p in module.parameters())
