"""AnyUp against its formulas and the released code's order of operations, pixel by pixel."""

import math

import numpy
import pytest
import torch
from torch.nn.functional import pad

from tests.upsamplers.pixel_reference import (
    adaptive_pool,
    group_norm_silu,
    normalise_imagenet,
    padded_conv,
    random_state_dict,
    value_and_gradients,
)
from unstride.ops.window import window_start
from unstride.upsamplers import AnyUp
from unstride.upsamplers.anyup import anyup_from_published, window_bounds, window_side

PUBLISHED = {
    "image_encoder.0.weight": (128, 3, 1, 1),
    "query_encoder.0.weight": (128, 128, 1, 1),
    "key_encoder.0.weight": (128, 128, 1, 1),
    "key_features_encoder.0.basis": (128, 1, 5, 5),
    "aggregation.0.weight": (128, 256, 3, 3),
    "rope.freqs": (2, 128),
    "cross_decode.conv2d.weight": (128, 128, 3, 3),
    "cross_decode.cross_attn.norm_q.weight": (128,),
    "cross_decode.cross_attn.norm_k.weight": (128,),
    "cross_decode.cross_attn.attention.in_proj_weight": (384, 128),
    "cross_decode.cross_attn.attention.in_proj_bias": (384,),
    "cross_decode.cross_attn.attention.out_proj.weight": (128, 128),
    "cross_decode.cross_attn.attention.out_proj.bias": (128,),
}
for name in [key[: -len(".0.weight")] for key in PUBLISHED if key.endswith(".0.weight")] + [
    "key_features_encoder"
]:
    for layer in (1, 2):
        for part, shape in (("0", (128,)), ("2", (128, 128, 1, 1))):
            PUBLISHED |= {f"{name}.{layer}.block.{part}.weight": shape}
            PUBLISHED |= {f"{name}.{layer}.block.{int(part) + 3}.weight": shape}
        for part in ("0", "3"):
            PUBLISHED |= {f"{name}.{layer}.block.{part}.bias": (128,)}
UNUSED = 2 * (128 * 128 + 128)  # the projections of values and of the result


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def anyup_reference(state, features, image, size, released_order=True):
    """One output pixel after the other; `state` has the published names."""
    (c, h, w), (H, W) = features.shape[1:], size
    image = encode(state, "image_encoder", normalise_imagenet(image))
    image = rotate(image, state["rope.freqs"])
    queries = adaptive_pool(encode(state, "query_encoder", image), size)
    queries = padded_conv(queries, state["cross_decode.conv2d.weight"], mode="constant")[0]
    unit = features / features.square().sum(1, keepdim=True).sqrt()
    basis = state["key_features_encoder.0.basis"]
    responses = unify_reference(unit[0], basis, released_order)[None]
    responses = blocks(state, "key_features_encoder", responses)
    keys = adaptive_pool(encode(state, "key_encoder", image), (h, w))
    keys = encode(state, "aggregation", torch.cat([keys, responses], 1))[0]

    attention = {key.split("cross_attn.")[1]: t for key, t in state.items() if "cross_attn" in key}
    weight, bias = attention["attention.in_proj_weight"], attention["attention.in_proj_bias"]
    rows = []
    for y in range(H):
        for x in range(W):
            near = slice(*bounds(y, H, h)), slice(*bounds(x, W, w))
            query = rms_norm(queries[:, y, x], attention["norm_q.weight"])
            query = weight[:128] @ query + bias[:128]
            cells = rms_norm(keys[:, *near].flatten(1).T, attention["norm_k.weight"])
            cells = cells @ weight[128:256].T + bias[128:256]
            scores = (cells * query).reshape(-1, 4, 32).sum(2)
            mixed = (scores / 32**0.5).softmax(0).mean(1)
            rows.append(features[0, :, *near].flatten(1) @ mixed)
    return torch.stack(rows, 1).reshape(1, c, H, W)


def bounds(y, H, h):
    """From the first cell that a tenth of the map reaches to the one after the last, in float32."""
    one, tenth = numpy.float32(1), numpy.float32(0.1)
    centre = (numpy.float32(y) + numpy.float32(0.5)) / numpy.float32(H)
    low, high = max(centre - tenth, 0 * one), min(centre + tenth, one)
    return math.floor(low * numpy.float32(h)), math.ceil(high * numpy.float32(h))


def rms_norm(vectors, weight):
    mean = vectors.square().mean(-1, keepdim=True)
    return vectors / (mean + torch.finfo(vectors.dtype).eps).sqrt() * weight


def unify_reference(features, basis, released_order):
    """Each filter's answer for each channel, then a softmax over filters, or what is released."""
    c, h, w = features.shape
    out = []
    for y in range(h):
        for x in range(w):
            window = pad(features, (2,) * 4)[:, y : y + 5, x : x + 5]
            cells = pad(torch.ones(h, w), (2,) * 4)[y : y + 5, x : x + 5].sum()
            responses = torch.einsum("cpq, fpq -> cf", window, basis[:, 0]) / cells
            if released_order:  # written channel by channel, read as if filter by filter
                out.append(responses.reshape(128, c).softmax(0).mean(1))
            else:
                out.append(responses.softmax(1).mean(0))
    return torch.stack(out, 1).reshape(128, h, w)


def encode(state, name, maps):
    return blocks(state, name, padded_conv(maps, state[f"{name}.0.weight"]))


def blocks(state, name, maps):
    for layer in (1, 2):
        own = {i: f"{name}.{layer}.block.{i}" for i in (0, 2, 3, 5)}
        inner = group_norm_silu(maps, state[f"{own[0]}.weight"], state[f"{own[0]}.bias"])
        inner = padded_conv(inner, state[f"{own[2]}.weight"])
        inner = group_norm_silu(inner, state[f"{own[3]}.weight"], state[f"{own[3]}.bias"])
        maps = maps + padded_conv(inner, state[f"{own[5]}.weight"])
    return maps


def rotate(maps, frequencies):
    h, w = maps.shape[2:]
    rows = []
    for y in range(h):
        for x in range(w):
            angle = torch.tensor([y / (h - 1), x / (w - 1)]) @ frequencies
            pixel = maps[0, :, y, x]
            partner = torch.cat([-pixel[64:], pixel[:64]])
            rows.append(pixel * angle.cos() + partner * angle.sin())
    return torch.stack(rows, 1).reshape(1, -1, h, w)


CASES = [
    pytest.param((6, 5), (12, 10), (24, 20), id="whole ratio"),
    pytest.param((10, 7), (15, 9), (17, 13), id="fractional ratios, cells touched in a point"),
    pytest.param((3, 13), (5, 20), (5, 20), id="fewer rows than a window, image as the output"),
]


@pytest.mark.parametrize("released_order", [True, False])
@pytest.mark.parametrize(("grid", "size", "image"), CASES)
def test_it_is_the_published_model_and_so_are_its_gradients(
    grid, size, image, released_order, double
):
    state = random_state_dict(PUBLISHED)
    features, image = torch.randn(1, 6, *grid), torch.rand(1, 3, *image)
    cotangent = torch.randn(1, 6, *size)
    up = AnyUp(6, released_order=released_order)
    up.load_state_dict(anyup_from_published(state).state_dict())
    given = [t.requires_grad_() for t in (features, image)]
    theirs = [t.requires_grad_() for t in state.values()]

    actual, ours = value_and_gradients(
        lambda: up(features, image, size), [*given, *up.parameters()], cotangent
    )
    expected, gradients = value_and_gradients(
        lambda: anyup_reference(state, features, image, size, released_order),
        [*given, *theirs],
        cotangent,
    )

    renamed = anyup_from_published(dict(zip(state, gradients[2:], strict=True)))
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(ours[:2], gradients[:2])
    for (name, wanted), got in zip(renamed.named_parameters(), ours[2:], strict=True):
        if name != "to_keys.1.bias":  # adds the same to all scores of a pixel
            assert wanted.abs().max() > 0, name
        torch.testing.assert_close(got, wanted.detach())


def test_it_has_the_published_number_of_parameters_less_those_that_are_not_used():
    assert sum(math.prod(shape) for shape in PUBLISHED.values()) == 878_080
    assert sum(p.numel() for p in AnyUp(384).parameters()) == 878_080 - UNUSED


def test_the_window_holds_every_cell_within_reach():
    for cells in range(1, 61):
        for pixels in (*range(1, 40), cells, 2 * cells, 3 * cells // 2, 14 * cells, 16 * cells):
            k = window_side((cells, cells), (pixels, pixels))
            first, end = window_bounds(cells, pixels, torch.device("cpu"))
            start = window_start(cells, pixels, k)
            assert (first >= start).all(), (cells, pixels)
            assert (end <= start + k).all(), (cells, pixels)
            assert (first < end).all(), (cells, pixels)
            assert first.min() >= 0, (cells, pixels)
            assert end.max() <= cells, (cells, pixels)


def test_the_order_of_the_channels_matters_in_the_released_code_alone():
    features, image = torch.randn(1, 5, 6, 6), torch.rand(1, 3, 12, 12)
    for released_order in (False, True):
        up = AnyUp(5, released_order=released_order)
        out = up(features, image, (12, 12))
        flipped = up(features.flip(1), image, (12, 12)).flip(1)
        assert torch.allclose(out, flipped, atol=1e-5) is not released_order


@pytest.mark.parametrize("channels", [1, 3, 40])
def test_one_model_serves_any_number_of_channels(channels):
    up = AnyUp(384)
    out = up(torch.randn(1, channels, 4, 5), torch.rand(1, 3, 16, 20), (9, 11))
    assert out.shape == (1, channels, 9, 11)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rope.freqs": None}, r"must hold rope\.freqs of shape \(2, 128\)"),
        (
            {"cross_decode.cross_attn.attention.in_proj_bias": torch.zeros(256)},
            r"attention\.in_proj_bias must be of shape \(384,\), got \(256,\)",
        ),
        ({"sft_key.gamma.weight": torch.zeros(1)}, r"must not contain sft_key\.gamma\.weight"),
    ],
)
def test_another_file_is_refused_with_the_first_key(change, sentence):
    state = random_state_dict(PUBLISHED) | change
    with pytest.raises(ValueError, match=sentence):
        anyup_from_published({key: t for key, t in state.items() if t is not None})
