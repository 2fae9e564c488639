"""Released matting networks: ours compute what the released code computes.

The code is written anew here from what it does, by the names in the files.
"""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    conv2d,
    group_norm,
    interpolate,
    leaky_relu,
    pad,
    pixel_shuffle,
    relu6,
    unfold,
)

import unstride
from unstride.models.matting.a2u_net import A2UNet
from unstride.models.matting.index_net import LAYERS, IndexNet
from unstride.models.matting.published import a2u_net_key, index_net_key


def released_state(network, key):
    """Random tensors under the names of a release; norms do not count batches."""
    state = {}
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        released = key(name)
        if name.endswith("running_var"):
            state[released] = 0.5 + torch.rand(value.shape)
        elif value.ndim == 4:
            state[released] = torch.randn(value.shape) / value[0].numel() ** 0.5
        else:
            state[released] = 0.3 * torch.randn(value.shape) + (0.7 if "weight" in name else 0)
    return state


class Released:
    """Layers by the names of their tensors."""

    def __init__(self, state, activation, is_abn):
        self.state = {k: v.double() for k, v in state.items()}
        self.activation, self.is_abn = activation, is_abn

    def conv(self, x, name, **options):
        bias = self.state.get(f"{name}.bias")
        return conv2d(x, self.state[f"{name}.weight"], bias, **options)

    def norm(self, x, name):
        weight = self.state[f"{name}.weight"]
        weight = weight.abs() + 1e-5 if self.is_abn else weight
        return batch_norm(
            x, self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"], weight,
            self.state[f"{name}.bias"],
        )  # fmt: skip

    def conv_norm(self, x, conv, norm, act=True, **options):
        if "padding" not in options:
            options["padding"] = self.state[f"{conv}.weight"].shape[2] // 2
        x = self.norm(self.conv(x, conv, **options), norm)
        return self.activation(x) if act else x

    def pair(self, x, name, **options):
        return self.conv_norm(x, f"{name}.0", f"{name}.1", **options)

    def aspp(self, x, dilations, step):
        """`step` is the number of layers of a convolution with its norm."""
        name = "dconv_pp"
        found = [self.pair(x, f"{name}.aspp1.atrous_conv")]
        for i, d in enumerate(dilations):
            place = f"{name}.aspp{i + 2}.atrous_conv"
            y = self.conv_norm(
                x, f"{place}.0", f"{place}.1", padding=d, dilation=d, groups=x.shape[1]
            )
            found.append(self.conv_norm(y, f"{place}.{step}", f"{place}.{step + 1}"))
        mean = adaptive_avg_pool2d(x, 1)
        mean = self.conv_norm(mean, f"{name}.global_avg_pool.1", f"{name}.global_avg_pool.2")
        found.append(mean.expand_as(found[0]))
        return self.pair(torch.cat(found, 1), f"{name}.bottleneck_conv")


class ReleasedA2U(Released):
    def kernels(self, x, name):
        """Softmax weights of the downsampler and of the upsampler, for one image."""
        s, c = self.state, x.shape[1]
        u, v = (
            self.conv(adaptive_avg_pool2d(x, 6), f"{name}.bconv_{n}.1").view(-1, 1, 6, 6)
            for n in "UV"
        )
        parts = []
        for filters, norm in ((u, "bnu"), (v, "bnv")):
            filters = filters.expand(c, 1, 6, 6) if len(filters) == 1 else filters
            y = conv2d(x, filters, stride=2, padding=2, groups=c)
            y = group_norm(y, 32, s[f"{name}.{norm}.0.weight"], s[f"{name}.{norm}.0.bias"])
            parts.append(leaky_relu(y))
        a = (parts[0] * parts[1]).sum(1, keepdim=True) / c**0.5
        mean = adaptive_avg_pool2d(x, 1)
        p_up, p_down = (self.conv(mean, f"{name}.bconv_{n}.1") for n in ("UP", "DP"))
        up = pixel_shuffle(p_up * a, 2).sigmoid().softmax(1)
        return (p_down * a).softmax(1), up

    def down(self, x, weights):
        h, w = x.shape[2] // 2, x.shape[3] // 2
        taps = unfold(x, 6, padding=2, stride=2).view(1, x.shape[1], 36, h, w)
        return (taps * weights[:, None]).sum(2)

    def up(self, x, weights):
        h, w = x.shape[2:]
        taps = unfold(x, 3, padding=1).view(1, x.shape[1] * 9, h, w)
        taps = interpolate(taps, scale_factor=2, mode="nearest")
        return (taps.view(1, x.shape[1], 9, 2 * h, 2 * w) * weights[:, None]).sum(2)

    def residual(self, x, name):
        y = self.conv_norm(x, f"{name}.convs.conv1", f"{name}.convs.bn1")
        y = self.conv_norm(y, f"{name}.convs.conv2", f"{name}.convs.bn2", act=False)
        return self.activation(x + y)

    def halve(self, x, name):
        fine = self.conv_norm(x, f"{name}.layer1.conv1", f"{name}.layer1.bn1")
        down, up = self.kernels(fine, f"{name}.bilinear")
        y = self.down(fine, down)
        y = self.conv_norm(y, f"{name}.layer2.conv2", f"{name}.layer2.bn2", act=False)
        skip = self.conv_norm(
            x, f"{name}.proj_conv", f"{name}.proj_bn", act=False, stride=2, padding=0
        )
        return self.activation(y + skip), up

    def __call__(self, x):
        l0 = self.pair(x, "layer0")
        down0, up0 = self.kernels(l0, "bilinear0")
        half = self.down(l0, down0)
        down1, up1 = self.kernels(half, "bilinear1")
        l1 = self.residual(self.down(half, down1), "layer1.block1")
        l1 = self.residual(l1, "layer1.block2")
        l2, up2 = self.halve(l1, "layer2_1")
        l2 = self.residual(l2, "layer2_2.block1")
        y, up3 = self.halve(l2, "layer3_1")
        y = self.aspp(y, (6, 12, 18), 2)
        for i, (up, skip) in enumerate(((up3, l2), (up2, l1), (up1, half), (up0, x))):
            y = self.up(y, up) + self.pair(skip, f"short{3 - i}")
            y = self.pair(y, f"decoder_layer{4 - i}.dconv")
            y = self.pair(y, f"decoder_layer{4 - i}.dconv1")
        return self.conv(self.pair(y, "pred.0"), "pred.1", padding=2)


class ReleasedIndexNet(Released):
    def index(self, x, name):
        branches = []
        for i in range(4):
            branch = f"{name}.indexnet{i + 1}"
            y = self.conv_norm(x, f"{branch}.0", f"{branch}.1", stride=2, padding=1)
            branches.append(self.conv(y, f"{branch}.3"))
        stacked = torch.stack(branches, 2).sigmoid()  # b c 4 h w
        weights = stacked.softmax(2)
        return [pixel_shuffle(t.flatten(1, 2), 2) for t in (weights, stacked)]

    def block(self, x, name, expansion):
        y, place = pad(x, (1, 1, 1, 1)), 0
        if expansion > 1:
            y, place = self.conv_norm(y, f"{name}.0", f"{name}.1"), 3
        y = self.conv_norm(
            y, f"{name}.{place}", f"{name}.{place + 1}", padding=0, groups=y.shape[1]
        )
        y = self.conv_norm(y, f"{name}.{place + 3}", f"{name}.{place + 4}", act=False)
        return x + y if x.shape == y.shape else y

    def __call__(self, x):
        kept = []
        x = self.pair(x, "layer0")
        for i, (expansion, _, _, is_halved) in enumerate(((0, 0, 0, True), *LAYERS[:-1])):
            if i:
                for j in range(BLOCKS[i - 1]):
                    x = self.block(x, f"layer{i}.{j}.conv", expansion)
            gate = None
            if is_halved:
                weights, gate = self.index(x, f"index{i}")
                x = weights * x
            kept.append((x, gate))
            x = 4 * avg_pool2d(x, 2) if is_halved else x
        x = self.aspp(self.block(x, "layer7.0.conv", 6), (2, 4, 8), 3)
        for i, (skip, gate) in enumerate(kept[::-1]):
            up = x if gate is None else gate * interpolate(x, scale_factor=2, mode="nearest")
            x = self.pair(torch.cat([up, skip], 1), f"decoder_layer{6 - i}.dconv")
        return self.conv(self.pair(x, "pred.0"), "pred.1", padding=2)


BLOCKS = 1, 2, 1, 1, 1, 1, 1


def leaky(x):
    return leaky_relu(x, 0.01)


def a2u(sharing):
    options = {"start": "published", "sharing": sharing}
    return A2UNet(32, blocks=(2, 2, 1), pair_options=options)


RELEASES = {
    "a2u, shared": (lambda: a2u("shared"), a2u_net_key, ReleasedA2U, leaky, True),
    "a2u, unshared": (lambda: a2u("unshared"), a2u_net_key, ReleasedA2U, leaky, True),
    "indexnet": (
        lambda: IndexNet(0.25, blocks=BLOCKS), index_net_key, ReleasedIndexNet, relu6, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
def test_files_of_each_release_give_what_its_code_gives(release, tmp_path):
    make, key, code, activation, is_abn = RELEASES[release]
    state = released_state(make(), key)
    save_file({f"module.{k}": v for k, v in state.items()}, tmp_path / "net.safetensors")
    network = unstride.load_published(tmp_path / "net.safetensors").double()
    inputs = torch.randn(1, 4, 64, 96, dtype=torch.float64)
    exact = code(state, activation, is_abn)(inputs)
    actual = network.raw_alpha(inputs)
    assert exact.std() > 1e-3
    # inplace_abn's factors are rounded to float32 when they are loaded, in some thirty layers.
    tolerance = 1e-5 if is_abn else 1e-9
    torch.testing.assert_close(actual, exact, rtol=0, atol=tolerance * float(exact.abs().max()))


def test_other_files_are_refused(tmp_path):
    state = released_state(a2u("shared"), a2u_net_key)
    for change, message in (
        ({"pred.1.weight": torch.zeros(2, 1, 5, 5)}, "pred.1.weight must be of shape"),
        ({"extra": torch.zeros(2)}, "the file must not contain extra"),
    ):
        save_file(state | change, tmp_path / "net.safetensors")
        with pytest.raises(ValueError, match=rf"net.safetensors: {message}"):
            unstride.load_published(tmp_path / "net.safetensors")
