"""NAF against its formulas and the released code's order of operations, pixel by pixel."""

import math

import pytest
import torch
from torch.nn.functional import interpolate

from tests.upsamplers.pixel_reference import (
    adaptive_pool,
    group_norm_silu,
    normalise_imagenet,
    padded_conv,
    random_state_dict,
    value_and_gradients,
)
from unstride.ops import reassemble
from unstride.upsamplers import NAF
from unstride.upsamplers.naf import naf_from_published

PUBLISHED = {"image_encoder.rope.periods": (16,)}
for branch, k in (("encoder", 1), ("sem_encoder", 3)):
    PUBLISHED |= {f"image_encoder.{branch}.0.weight": (128, 3, k, k)}
    PUBLISHED |= {f"image_encoder.{branch}.0.bias": (128,)}
    for layer in (1, 2):
        for part in ("norm1", "conv1", "norm2", "conv2"):
            weight = (128, 128, k, k) if "conv" in part else (128,)
            PUBLISHED |= {f"image_encoder.{branch}.{layer}.{part}.weight": weight}
            PUBLISHED |= {f"image_encoder.{branch}.{layer}.{part}.bias": (128,)}


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def naf_reference(state, features, image, size):
    """One output pixel after the other; `state` has the published names."""
    (c, h, w), (H, W) = features.shape[1:], size
    image = normalise_imagenet(image)
    if image.shape[2] > 4 * H or image.shape[3] > 4 * W:
        smaller = min(image.shape[2], 4 * H, 4 * W), min(image.shape[3], 4 * W, 4 * H)
        image = interpolate(image, smaller, mode="bilinear", align_corners=False)
    maps = torch.cat([branch(state, name, image) for name in ("encoder", "sem_encoder")], 1)
    maps = adaptive_pool(maps, size)
    rotated = [
        torch.stack([rotate(maps[0, :, y, x], 2 * (y + 0.5) / H - 1, 2 * (x + 0.5) / W - 1)
                     for x in range(W)], -1)
        for y in range(H)
    ]  # fmt: skip
    queries = torch.stack(rotated, 1)
    keys = adaptive_pool(queries[None], (h, w))[0]
    rows = []
    for y in range(H):
        for x in range(W):
            i, j = int((y + 0.5) * h / H), int((x + 0.5) * w / W)
            top, left = max(min(i - 4, h - 9), 0), max(min(j - 4, w - 9), 0)
            near = slice(top, top + 9), slice(left, left + 9)  # a slice ends with the map
            weights = []
            for head in (slice(64 * n, 64 * n + 64) for n in range(4)):
                scores = torch.einsum("d, dpq -> pq", queries[head, y, x], keys[head][:, *near])
                weights.append((scores / 8).flatten().softmax(0))
            values = features[0, :, *near].flatten(1)
            rows.append(torch.stack([weights[4 * i // c] @ values[i] for i in range(c)]))
    return torch.stack(rows, 1).reshape(1, c, H, W)


def branch(state, name, image):
    state = {key.split(f".{name}.")[1]: t for key, t in state.items() if f".{name}." in key}
    maps = padded_conv(image, state["0.weight"], state["0.bias"])
    for layer in (1, 2):
        for i in (1, 2):
            norm, conv = f"{layer}.norm{i}", f"{layer}.conv{i}"
            maps = group_norm_silu(maps, state[f"{norm}.weight"], state[f"{norm}.bias"])
            maps = padded_conv(maps, state[f"{conv}.weight"], state[f"{conv}.bias"])
    return maps


def rotate(pixel, y, x):
    """Each pair of channels as one complex number, turned: 16 by the row, 16 by the column."""
    periods = torch.tensor([100 ** (2 * i / 32) for i in range(16)])
    angles = 2 * math.pi * torch.cat([y / periods, x / periods])
    heads = pixel.reshape(4, 2, 32)
    pairs = torch.complex(heads[:, 0], heads[:, 1]) * torch.polar(torch.ones(32), angles)
    return torch.stack([pairs.real, pairs.imag], 1).flatten()


CASES = [
    pytest.param((11, 10), (11, 20), (22, 20), id="whole ratios, shifted at every border"),
    pytest.param((10, 12), (13, 17), (30, 23), id="fractional ratios"),
    pytest.param((3, 11), (7, 12), (40, 20), id="fewer rows than a window, large image"),
]


@pytest.mark.parametrize(("grid", "size", "image"), CASES)
def test_it_is_the_published_model_and_so_are_its_gradients(grid, size, image, double):
    state = random_state_dict(PUBLISHED)
    features, image = torch.randn(1, 5, *grid), torch.rand(1, 3, *image)
    cotangent = torch.randn(1, 5, *size)
    up = naf_from_published(state)
    given = [t.requires_grad_() for t in (features, image)]
    theirs = [t.requires_grad_() for t in state.values()]

    actual, ours = value_and_gradients(
        lambda: up(features, image, size), [*given, *up.parameters()], cotangent
    )
    expected, gradients = value_and_gradients(
        lambda: naf_reference(state, features, image, size), [*given, *theirs], cotangent
    )

    renamed = naf_from_published(dict(zip(state, gradients[2:], strict=True)))
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(ours[:2], gradients[:2])
    for (name, wanted), got in zip(renamed.named_parameters(), ours[2:], strict=True):
        assert wanted.abs().max() > 0, name
        torch.testing.assert_close(got, wanted.detach())


def test_it_has_the_published_number_of_parameters():
    numbers = {name: math.prod(shape) for name, shape in PUBLISHED.items() if "rope" not in name}
    assert sum(numbers.values()) == sum(p.numel() for p in NAF(384).parameters()) == 662_528


def test_predicted_weights_are_those_of_each_head():
    up, features, image = NAF(4), torch.randn(1, 4, 5, 6), torch.rand(1, 3, 10, 12)
    weights = up.predict_weights(features, image, (10, 12))
    assert weights.shape == (1, 4, 11, 11, 10, 12)
    torch.testing.assert_close(reassemble(features, weights), up(features, image, (10, 12)))


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6])
def test_any_number_of_channels_shares_the_heads_in_order(channels):
    up, features, image = NAF(channels), torch.randn(1, channels, 3, 4), torch.rand(1, 3, 6, 8)
    out = up(features, image, (6, 8))
    for i in range(channels):
        head = 4 * i // channels
        alone = up(features[:, i : i + 1].expand(-1, 4, -1, -1), image, (6, 8))
        torch.testing.assert_close(out[:, i], alone[:, head])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image_encoder.encoder.0.bias": None}, r"must hold image_encoder\.encoder\.0\.bias of"),
        (
            {"image_encoder.sem_encoder.1.conv1.weight": torch.zeros(128, 128, 5, 5)},
            r"image_encoder\.sem_encoder\.1\.conv1\.weight must be of shape \(128, 128, 3, 3\), "
            r"got \(128, 128, 5, 5\)",
        ),
        (
            {"module.weight": torch.zeros(1)},
            r"must not contain module\.weight, only the \d+ published entries",
        ),
    ],
)
def test_another_file_is_refused_with_the_first_key(change, sentence):
    state = random_state_dict(PUBLISHED) | change
    with pytest.raises(ValueError, match=sentence):
        naf_from_published({key: t for key, t in state.items() if t is not None})
