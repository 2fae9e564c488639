"""The layers that NAF and AnyUp share, from their formulas, for evaluations pixel by pixel."""

import torch
from torch.nn.functional import conv2d, pad, silu


def normalised(image):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (image - mean[:, None, None]) / std[:, None, None]


def convolved(maps, weight, bias=None, mode="reflect"):
    margin = weight.shape[2] // 2
    return conv2d(pad(maps, (margin,) * 4, mode=mode) if margin else maps, weight, bias)


def activated(maps, weight, bias):
    """Group normalisation in 8 groups, each to mean 0 and variance 1, and SiLU."""
    groups = maps.unflatten(1, (8, -1)).flatten(2)
    mean, var = groups.mean(2, keepdim=True), groups.var(2, keepdim=True, correction=0)
    groups = (groups - mean) / (var + 1e-5).sqrt()
    return silu(groups.reshape(maps.shape) * weight[:, None, None] + bias[:, None, None])


def pooled(maps, size):
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


def random_state(shapes):
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
