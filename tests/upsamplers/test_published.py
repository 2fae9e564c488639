"""Published files load: each is made of its published names and shapes, and evaluated by them."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import (
    adaptive_avg_pool2d,
    batch_norm,
    conv2d,
    gelu,
    grid_sample,
    group_norm,
    interpolate,
    layer_norm,
    leaky_relu,
    linear,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
    relu6,
    unfold,
)  # fmt: skip

from tests.upsamplers import test_anyup, test_naf
from tests.upsamplers.pixel_reference import random_state_dict
from unstride.upsamplers import NAF, AnyUp, load_published

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


def save(state, path):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def carafe_pack(c=6, scale=2, k=5):
    return {
        "channel_compressor.weight": (64, c, 1, 1),
        "channel_compressor.bias": (64,),
        "content_encoder.weight": ((scale * k) ** 2, 64, 3, 3),
        "content_encoder.bias": ((scale * k) ** 2,),
    }


@pytest.mark.parametrize(("scale", "k"), [(2, 5), (3, 3)])
def test_carafe_pack(scale, k, tmp_path):
    state = random_state_dict(carafe_pack(6, scale, k))
    inside = {f"neck.upsample_modules.0.upsample.{name}": t for name, t in state.items()}
    path = save({"state_dict": inside, "meta": {"epoch": 12}}, tmp_path / "faster_rcnn.pth")
    up = load_published(path, prefix="neck.upsample_modules.0.upsample.", scale=scale)

    features = torch.randn(2, 6, 4, 5)
    w = conv2d(features, state["channel_compressor.weight"], state["channel_compressor.bias"])
    w = conv2d(w, state["content_encoder.weight"], state["content_encoder.bias"], padding=1)
    w = pixel_shuffle(w, scale).softmax(1)
    taps = unfold(features, k, padding=k // 2).view(2, 6, k * k, 4, 5)
    taps = taps.repeat_interleave(scale, 3).repeat_interleave(scale, 4)
    torch.testing.assert_close(up(features), (taps * w[:, None]).sum(2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("style", ["lp", "pl"])
@pytest.mark.parametrize("scope", ["static", "dynamic", "dynamic without bias"])
@pytest.mark.parametrize("s", [2, 4])
def test_dysample(style, scope, s, tmp_path):
    g, c, h, w = 2, 32, 4, 5
    seen, out = (c, 2 * g * s * s) if style == "lp" else (c // s**2, 2 * g)
    shapes = {"offset.weight": (out, seen, 1, 1), "offset.bias": (out,)}
    if scope != "static":
        shapes |= {"scope.weight": (out, seen, 1, 1)}
    if scope == "dynamic":
        shapes |= {"scope.bias": (out,)}
    state = random_state_dict(shapes)
    sub = (torch.arange(s) - (s - 1) / 2) / s
    x, y = sub.expand(s, s), sub[:, None].expand(s, s)
    centres = torch.cat([x.flatten().repeat(g), y.flatten().repeat(g)])
    state["init_pos"] = centres.view(1, -1, 1, 1)
    features = torch.randn(2, c, h, w)
    up = load_published(save(state, tmp_path / "dysample.pth"))
    assert up.scale == s

    source = features if style == "lp" else pixel_shuffle(features, s)
    offset = conv2d(source, state["offset.weight"], state["offset.bias"])
    reach = 0.25
    if scope != "static":
        reach = 0.5 * conv2d(source, state["scope.weight"], state.get("scope.bias")).sigmoid()
    offset = offset * reach
    offset = (offset if style == "lp" else pixel_unshuffle(offset, s)) + state["init_pos"]
    offset = offset.view(2, 2, g * s * s, h, w)
    pixels = torch.stack([torch.arange(w).expand(h, w), torch.arange(h)[:, None].expand(h, w)])
    at = (offset + pixels[None, :, None] + 0.5) * 2 / torch.tensor([w, h]).view(1, 2, 1, 1, 1) - 1
    at = torch.stack([pixel_shuffle(at[:, 0], s), pixel_shuffle(at[:, 1], s)], -1)
    expected = [
        grid_sample(features[:, i * c // g : (i + 1) * c // g], at[:, i], padding_mode="border",
                    align_corners=False)
        for i in range(g)
    ]  # fmt: skip
    torch.testing.assert_close(up(features), torch.cat(expected, 1), rtol=1e-4, atol=1e-5)


def jbu_stack(d, norm, stages=4):
    shapes = {}
    for i in range(1, stages + 1):
        up = f"upsampler.up{i}."
        shapes |= {f"{up}range_temp": (), f"{up}sigma_spatial": ()}
        shapes |= {f"{up}range_proj.0.weight": (32, 3, 1, 1), f"{up}range_proj.0.bias": (32,)}
        shapes |= {f"{up}range_proj.3.weight": (32, 32, 1, 1), f"{up}range_proj.3.bias": (32,)}
        shapes |= {f"{up}fixup_proj.0.weight": (49, 52, 1, 1), f"{up}fixup_proj.0.bias": (49,)}
        shapes |= {f"{up}fixup_proj.3.weight": (49, 49, 1, 1), f"{up}fixup_proj.3.bias": (49,)}
    shapes |= {"upsampler.fixup_proj.1.weight": (d, d, 1, 1), "upsampler.fixup_proj.1.bias": (d,)}
    if norm:
        shapes |= {"model.1.norm.weight": (d,), "model.1.norm.bias": (d,)}
    return shapes


@pytest.mark.parametrize("norm", [True, False], ids=["norm", "no_norm"])
def test_featup_stack(norm, tmp_path):
    d = 7
    state = random_state_dict(jbu_stack(d, norm))
    for i in range(1, 5):
        state[f"upsampler.up{i}.sigma_spatial"] = torch.tensor(0.8 + 0.1 * i)
    rest = {"model.0.patch.weight": torch.zeros(3), "downsampler.w": torch.ones(2)}
    path = save({"state_dict": state | rest, "epoch": 1}, tmp_path / "jbu_stack.ckpt")
    up = load_published(path)
    assert up.scale == 16

    features, image = torch.randn(1, d, 3, 2), torch.rand(1, 3, 48, 32)
    expected, guide = features, (image - MEAN) / STD
    if norm:
        affine = state["model.1.norm.weight"], state["model.1.norm.bias"]
        expected = layer_norm(features.permute(0, 2, 3, 1), (d,), *affine).permute(0, 3, 1, 2)
    for i in range(1, 5):
        part = {
            k.removeprefix(f"upsampler.up{i}."): v
            for k, v in state.items()
            if k.startswith(f"upsampler.up{i}.")
        }
        expected = jbu(expected, guide, part)
    last = conv2d(
        expected, state["upsampler.fixup_proj.1.weight"], state["upsampler.fixup_proj.1.bias"]
    )
    torch.testing.assert_close(up(features, image), expected + 0.1 * last, rtol=1e-3, atol=1e-3)


def jbu(source, guide, p):
    """One stage of the released stack."""
    h, w = 2 * source.shape[2], 2 * source.shape[3]
    g = adaptive_avg_pool2d(guide, (h, w))
    key = gelu(conv2d(g, p["range_proj.0.weight"], p["range_proj.0.bias"]))
    key = conv2d(key, p["range_proj.3.weight"], p["range_proj.3.bias"])
    around = unfold(pad(key, (3,) * 4, mode="reflect"), 7).view(1, 32, 49, h, w)
    alike = (p["range_temp"].exp() * (around * key[:, :, None]).sum(1)).softmax(1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 7), torch.linspace(-1, 1, 7), indexing="ij")
    near = torch.exp(-(y**2 + x**2) / (2 * p["sigma_spatial"] ** 2)).view(1, 49, 1, 1)
    kernel = alike * near / (alike * near).sum(1, keepdim=True)
    mixed = torch.cat([kernel, g], 1)
    mixed = gelu(conv2d(mixed, p["fixup_proj.0.weight"], p["fixup_proj.0.bias"]))
    kernel = kernel + 0.1 * conv2d(mixed, p["fixup_proj.3.weight"], p["fixup_proj.3.bias"])
    fine = interpolate(source, (h, w), mode="bicubic", align_corners=False)
    taps = unfold(pad(fine, (3,) * 4, mode="reflect"), 7).view(1, -1, 49, h, w)
    return (taps * kernel[:, None]).sum(2)


def test_featup_implicit(tmp_path):
    n, d = 30, 16
    state = random_state_dict({
        "1.biases": (2, 5, n), "2.norm.weight": (10 * n + 3,), "2.norm.bias": (10 * n + 3,),
        "4.weight": (d, 10 * n + 3, 1, 1), "4.bias": (d,), "7.norm.weight": (d,),
        "7.norm.bias": (d,), "8.weight": (d, d, 1, 1), "8.bias": (d,),
        "10.weight": (d, d, 1, 1), "10.bias": (d,),
    })  # fmt: skip
    up = load_published(save({"model": state}, tmp_path / "cat.pth"))
    image = torch.rand(1, 3, 6, 9)
    flat = image.flatten(2)
    colours = (image - flat.amin(2)[..., None, None]) / (flat.amax(2) - flat.amin(2))[
        ..., None, None
    ] - 0.5
    y, x = torch.meshgrid(torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 9), indexing="ij")
    inputs = torch.cat([y[None, None], x[None, None], colours], 1)
    sines, cosines = [], []
    for f, frequency in enumerate(torch.linspace(-2, 10, n).exp()):
        for i in range(5):  # 5 f + i: the released code reshapes (5, n) to (n, 5)
            sines.append(
                (inputs[:, i] * frequency + state["1.biases"][0].flatten()[5 * f + i]).sin()
            )
            cosines.append(
                (inputs[:, i] * frequency + state["1.biases"][1].flatten()[5 * f + i]).cos()
            )
    z = torch.cat([torch.stack(sines, 1), torch.stack(cosines, 1), colours], 1).movedim(1, -1)
    z = layer_norm(z, (10 * n + 3,), state["2.norm.weight"], state["2.norm.bias"])
    z = relu(z @ state["4.weight"][:, :, 0, 0].T + state["4.bias"])
    z = layer_norm(z, (d,), state["7.norm.weight"], state["7.norm.bias"])
    z = relu(z @ state["8.weight"][:, :, 0, 0].T + state["8.bias"])
    z = (z @ state["10.weight"][:, :, 0, 0].T + state["10.bias"]).movedim(-1, 1)
    actual = up(torch.zeros(1, d, 1, 1), image, (6, 9))
    # The highest frequency is exp(10): float32 turns lose a few thousandths of a radian.
    torch.testing.assert_close(actual, z, rtol=1e-2, atol=2e-2)
    two = torch.cat([image, image / 2])
    alone = up(torch.zeros(2, d, 1, 1), two, (6, 9))[:1]  # one image of a batch
    torch.testing.assert_close(alone, actual, rtol=1e-4, atol=1e-4)


def weighted_windows(features, weights, k, s=2):
    """Each fine pixel: its coarse pixel's window, zero beyond the border, times k^2 weights."""
    (b, c, h, w), n = features.shape, k * k
    taps = unfold(features, k, padding=k // 2).view(b, c, n, h, w)
    taps = taps.repeat_interleave(s, 3).repeat_interleave(s, 4)
    return (taps * weights[:, None]).sum(2)


@pytest.mark.parametrize("gated", [True, False], ids=["fade", "fade_lite"])
def test_fade(gated, tmp_path):
    c, d, e, k = 6, 6 if gated else 4, 8, 5
    shapes = {
        "kernel_generator.conv1_en.weight": (e, d, 1, 1), "kernel_generator.conv1_en.bias": (e,),
        "kernel_generator.conv1_de.weight": (e, c, 1, 1),
        "kernel_generator.conv2_kernels": (k * k, e, 3, 3),
        "kernel_generator.conv2_bias": (k * k,),
    }  # fmt: skip
    if gated:
        shapes |= {"gate_generator.conv.weight": (1, c, 1, 1), "gate_generator.conv.bias": (1,)}
    state = random_state_dict(shapes)
    p = {name.rpartition(".")[2] if "conv2" in name else name.partition(".")[2]: t
         for name, t in state.items()}  # fmt: skip
    up = load_published(save(state, tmp_path / "fade.pth"))
    coarse, fine = torch.randn(2, c, 3, 4), torch.randn(2, d, 6, 8)

    compressed = conv2d(fine, p["conv1_en.weight"], p["conv1_en.bias"])
    own = conv2d(coarse, p["conv1_de.weight"])
    own = conv2d(own, p["conv2_kernels"], p["conv2_bias"], padding=1)
    logits = torch.empty(2, k * k, 6, 8)
    for y in range(2):  # the semi-shift: strides of two from each sub-pixel's own corner
        for x in range(2):
            shifted = pad(compressed, (1 - x, x, 1 - y, y))
            shifted = conv2d(shifted, p["conv2_kernels"], p["conv2_bias"], stride=2)
            logits[:, :, y::2, x::2] = shifted + own
    expected = weighted_windows(coarse, logits.softmax(1), k)
    if gated:
        gate = conv2d(coarse, p["conv.weight"], p["conv.bias"]).sigmoid()
        gate = interpolate(gate, scale_factor=2)
        expected = gate * fine + (1 - gate) * expected
    torch.testing.assert_close(up(coarse, fine), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gated", [False, True], ids=["base", "gated"])
def test_sapa(gated, tmp_path):
    c, d, e, k = 6, 4, 8, 5
    shapes = {f"norm_{n}.{p}": (m,) for n, m in (("y", d), ("x", c)) for p in ("weight", "bias")}
    layers = {
        "k": (e, c),
        **({"qy": (e, d), "qx": (e, c), "gate": (1, c)} if gated else {"q": (e, d)}),
    }
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    state = random_state_dict(shapes)
    up = load_published(save(state, tmp_path / "sapa.pth"))
    coarse, fine = torch.randn(2, c, 3, 4), torch.randn(2, d, 6, 8)

    def layer(name, x):
        return linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def doubled(x):
        return x.repeat_interleave(2, 1).repeat_interleave(2, 2)

    x, y = coarse.movedim(1, -1), fine.movedim(1, -1)
    x_normed = layer_norm(x, (c,), state["norm_x.weight"], state["norm_x.bias"])
    y_normed = layer_norm(y, (d,), state["norm_y.weight"], state["norm_y.bias"])
    if gated:
        gate = doubled(layer("gate", x_normed).sigmoid())
        queries = gate * layer("qy", y_normed) + (1 - gate) * doubled(layer("qx", x))
    else:
        queries = layer("q", y_normed)
    keys = layer("k", x_normed).movedim(-1, 1)
    around = unfold(keys, k, padding=k // 2).view(2, e, k * k, 3, 4)  # score 0 off the map
    around = around.repeat_interleave(2, 3).repeat_interleave(2, 4)
    scores = (around * queries.movedim(-1, 1)[:, :, None]).sum(1)
    expected = weighted_windows(coarse, scores.softmax(1), k)
    torch.testing.assert_close(up(coarse, fine), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "unshared"])
def test_a2u(shared, tmp_path):
    c, h, w = 64, 4, 5  # coarse
    shapes = {}
    for name in ("bnu.0", "bnv.0"):
        shapes |= {f"{name}.weight": (c,), f"{name}.bias": (c,)}
    for name, n in (("UP", 36), ("DP", 36), ("U", 1 if shared else c), ("V", 1 if shared else c)):
        shapes |= {f"bconv_{name}.1.weight": (n, c, 1, 1), f"bconv_{name}.1.bias": (n,)}
    state = random_state_dict(shapes)
    pair = load_published(save(state, tmp_path / "a2u.pth"))
    fine, coarse = torch.randn(2, c, 2 * h, 2 * w), torch.randn(2, c, h, w)

    def predicted(name, x, side):
        pooled = adaptive_avg_pool2d(x, side)
        return conv2d(pooled, state[f"bconv_{name}.1.weight"], state[f"bconv_{name}.1.bias"])

    down_weights, up_weights = [], []
    for x in fine.split(1):
        similar = []
        for bank, norm in (("U", "bnu.0"), ("V", "bnv.0")):
            filters = predicted(bank, x, 6)[0].expand(c, 6, 6)[:, None]
            y = conv2d(x, filters, stride=2, padding=2, groups=c)
            y = group_norm(y, 32, state[f"{norm}.weight"], state[f"{norm}.bias"])
            similar.append(leaky_relu(y))
        affinity = (similar[0] * similar[1]).sum(1, keepdim=True) / c**0.5
        down_weights.append((predicted("DP", x, 1) * affinity).softmax(1))
        up_weights.append(pixel_shuffle(predicted("UP", x, 1) * affinity, 2).sigmoid().softmax(1))
    windows = unfold(fine, 6, padding=2, stride=2).view(2, c, 36, h, w)
    expected = (windows * torch.cat(down_weights)[:, None]).sum(2)
    torch.testing.assert_close(pair.down(fine), expected, rtol=1e-4, atol=1e-4)
    expected = weighted_windows(coarse, torch.cat(up_weights), 3)
    torch.testing.assert_close(pair(fine, lambda _: coarse), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("context", [False, True], ids=["cell", "context"])
@pytest.mark.parametrize("nonlinear", [False, True], ids=["linear", "nonlinear"])
@pytest.mark.parametrize("kind", ["holistic", "one-to-one", "many-to-one"])
def test_indexnet(kind, nonlinear, context, tmp_path):
    c, h, w = 4, 3, 5
    side, group = 4 if context else 2, c if kind == "one-to-one" else 1
    hidden, out = (2 * c, 4) if kind == "holistic" else (c, c)
    names = ["indexnet"] if kind == "holistic" else [f"indexnet{i}" for i in range(1, 5)]
    shapes = {}
    for name in names:
        if nonlinear:
            shapes |= {
                f"{name}.0.weight": (hidden, c // group, side, side),
                **{f"{name}.1.{p}": (hidden,) for p in ("weight", "bias", "running_mean")},
                f"{name}.3.weight": (out, hidden // group, 1, 1),
            }  # fmt: skip
        else:
            first = f"{name}.weight" if kind == "holistic" else f"{name}.0.weight"
            shapes |= {first: (out, c // group, side, side)}
    state = random_state_dict(shapes)
    state |= {
        f"{name}.1.running_var": torch.rand(hidden) + 0.5 for name in names if nonlinear
    }  # fmt: skip
    pair = load_published(save(state, tmp_path / "index.pth"))
    fine, coarse = torch.randn(2, c, 2 * h, 2 * w), torch.randn(2, c, h, w)

    def branch(name):
        def get(key):
            return state.get(f"{name}.{key}")

        first = get("0.weight") if get("0.weight") is not None else get("weight")
        x = conv2d(fine, first, stride=2, padding=int(context), groups=group)
        if not nonlinear:
            return x
        x = batch_norm(
            x, get("1.running_mean"), get("1.running_var"), get("1.weight"), get("1.bias")
        )
        return conv2d(relu6(x), get("3.weight"), groups=group)

    index = torch.stack([branch(name) for name in names], 2)  # (b, c, 4, h, w), or (b, 4, 1, h, w)
    gates = (index.movedim(2, 1) if kind == "holistic" else index).sigmoid()
    pooled = pixel_unshuffle(fine, 2).view(2, c, 4, h, w)
    expected = (pooled * gates.softmax(2)).sum(2)
    torch.testing.assert_close(pair.down(fine), expected, rtol=1e-4, atol=1e-5)
    expected = pixel_shuffle(gates.flatten(1, 2), 2) * interpolate(coarse, scale_factor=2)
    torch.testing.assert_close(pair(fine, lambda _: coarse), expected, rtol=1e-4, atol=1e-5)


def test_carafe_down(tmp_path):
    c, k = 6, 5
    state = random_state_dict(carafe_pack(c, 1, k))
    down = load_published(save(state, tmp_path / "down.pth"), downsample=True)
    features = torch.randn(2, c, 6, 8)
    w = conv2d(features, state["channel_compressor.weight"], state["channel_compressor.bias"])
    w = conv2d(
        w, state["content_encoder.weight"], state["content_encoder.bias"], stride=2, padding=1
    )
    actual = down(features)
    assert actual.shape == (2, c, 3, 4)
    taps = unfold(features, k, padding=k // 2, stride=2).view(2, c, k * k, 3, 4)
    torch.testing.assert_close(actual, (taps * w.softmax(1)[:, None]).sum(2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "published"), [(NAF, test_naf), (AnyUp, test_anyup)])
def test_naf_and_anyup_from_a_file(kind, published, tmp_path):
    state = random_state_dict(published.PUBLISHED)
    up = load_published(save(state, tmp_path / "release.safetensors"), channels=8, scale=4)
    assert type(up) is kind
    assert (up.channels, up.scale, up.training) == (8, 4, False)


def test_any_other_file_is_refused_in_a_sentence(tmp_path):
    other = save({"fc.weight": torch.zeros(2)}, tmp_path / "resnet.pth")
    with pytest.raises(ValueError, match=r"not a supported .* first entry is 'fc.weight'"):
        load_published(other)
    with pytest.raises(ValueError, match=r"no entry begins with 'neck\.'"):
        load_published(other, prefix="neck.")
    with pytest.raises(ValueError, match=r"none\.pth: no such file"):
        load_published(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.pth: holds no state dict"):
        load_published(tmp_path / "text.pth")
    torch.save({"model": torch.nn.Conv2d(1, 1, 1)}, tmp_path / "module.pth")
    with pytest.raises(ValueError, match=r"save the model's state_dict\(\)"):
        load_published(tmp_path / "module.pth")
    half = random_state_dict(carafe_pack())
    half.pop("content_encoder.bias")
    with pytest.raises(ValueError, match=r"half\.pth: the file must hold content_encoder\.bias"):
        load_published(save(half, tmp_path / "half.pth"))
    with pytest.raises(ValueError, match="does not fit scale=3"):
        load_published(save(random_state_dict(carafe_pack()), tmp_path / "pack.pth"), scale=3)
