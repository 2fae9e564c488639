"""Released weights of DeepFill: our network computes what the released code computes.

The code is written anew here from what it does, layer by layer and by the names in the files.
"""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import conv2d, elu, fold, max_pool2d, pad, unfold

import unstride
from unstride.models.inpainting.published import LAYERS, tensorflow_key

WIDTH = 4
COARSE = ["conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6"]
ATROUS = ["conv7_atrous", "conv8_atrous", "conv9_atrous", "conv10_atrous"]
DILATIONS = dict(zip(ATROUS, (2, 4, 8, 16), strict=True))


def channels(gated):
    """Input and output channels by TensorFlow's names of the layers."""
    w, first = WIDTH, 3 if gated else 5
    shapes = {}
    for prefix, start, widths in (
        ("", 5, [1, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4]),
        ("x", first, [1, 1, 2, 2, 4, 4, 4, 4, 4, 4]),
        ("pm", first, [1, 1, 2, 4, 4, 4]),
    ):
        names = [*COARSE, *ATROUS, "conv11", "conv12"]
        before = start
        for name, n in zip(names, widths, strict=False):
            shapes[prefix + name] = before, n * w
            before = n * w
    shapes |= {"pmconv9": (4 * w, 4 * w), "pmconv10": (4 * w, 4 * w)}
    shapes |= {"allconv11": (8 * w, 4 * w), "allconv12": (4 * w, 4 * w)}
    for prefix in ("", "all"):
        shapes[f"{prefix}conv13_upsample"] = 4 * w, 2 * w
        shapes[f"{prefix}conv14"] = 2 * w, 2 * w
        shapes[f"{prefix}conv15_upsample"] = 2 * w, w
        shapes[f"{prefix}conv16"] = w, w // 2
        shapes[f"{prefix}conv17"] = w // 2, 3
    return shapes


def weights(gated=False):
    """Random kernels "out in row column" and biases by TensorFlow's names of the layers."""
    found = {}
    for name, (before, after) in channels(gated).items():
        side = 5 if name.endswith("conv1") else 3
        total = after * (2 if gated and not name.endswith("conv17") else 1)
        kernel = torch.randn(total, before, side, side) / (before * side**2) ** 0.5
        found[name] = kernel, 0.1 * torch.randn(total)
    return found


class ReleasedCode:
    """The forward pass, for one image."""

    def __init__(self, layers, *, gated, aligned, pads_end, propagate, offset_norms):
        self.layers, self.gated, self.aligned = layers, gated, aligned
        self.pads_end, self.propagate, self.offset_norms = pads_end, propagate, offset_norms

    def conv(self, x, name, activation=elu):
        kernel, bias = self.layers[name]
        stride = 2 if name.endswith("downsample") else 1
        rate = next((d for n, d in DILATIONS.items() if name.endswith(n)), 1)
        reach = rate * (kernel.shape[2] // 2)
        margins = (0, 1, 0, 1) if stride == 2 and self.pads_end else (reach,) * 4
        x = conv2d(pad(x, margins), kernel, bias, stride, dilation=rate)
        if activation is None:
            return x
        if not self.gated:
            return activation(x)
        x, gate = x.chunk(2, 1)
        return activation(x) * gate.sigmoid()

    def resize(self, x, size):
        """Nearest neighbour in both directions."""
        for axis, n in ((2, size[0]), (3, size[1])):
            m = x.shape[axis]
            rows = [
                int(i * (m - 1) / (n - 1) + 0.5) if self.aligned else i * m // n for i in range(n)
            ]
            x = x.index_select(axis, torch.tensor(rows))
        return x

    def up(self, x, name):
        return self.conv(self.resize(x, (2 * x.shape[2], 2 * x.shape[3])), name)

    def decode(self, x, prefix):
        x = self.conv(self.up(x, f"{prefix}conv13_upsample"), f"{prefix}conv14")
        x = self.conv(self.up(x, f"{prefix}conv15_upsample"), f"{prefix}conv16")
        x = self.conv(x, f"{prefix}conv17", None)
        return x.tanh() if self.gated else x.clamp(-1, 1)

    def attend(self, x, mask):
        h, w = x.shape[2:]
        small = self.resize(x, (h // 2, w // 2))
        mask = self.resize(self.resize(mask, (h, w)), (h // 2, w // 2))
        patches = unfold(small, 3, padding=1)[0]
        squares = patches.square() + (1e-4 if self.offset_norms else 0)
        norms = squares.sum(0).sqrt().clamp(min=1e-4)
        scores = patches.T @ (patches / norms)
        n = h // 2, w // 2
        if self.propagate:
            eye = torch.eye(3, dtype=x.dtype)[None, None]
            scores = conv2d(scores[None, None], eye, padding=1)
            scores = scores.view(*n, *n).permute(1, 0, 3, 2).reshape(1, 1, n[0] * n[1], -1)
            scores = conv2d(scores, eye, padding=1).view(n[1], n[0], n[1], n[0])
            scores = scores.permute(1, 0, 3, 2).reshape(n[0] * n[1], -1)
        valid = (max_pool2d(mask, 3, 1, 1).flatten() == 0).to(x)
        attention = (10 * scores * valid).softmax(1) * valid
        raw = unfold(x, 4, padding=1, stride=2)
        return fold(raw @ attention.T, (h, w), 4, padding=1, stride=2) / 4

    def __call__(self, masked, mask):
        ones = torch.ones_like(mask)
        x = torch.cat([masked, ones, mask], 1)
        for name in [*COARSE, *ATROUS, "conv11", "conv12"]:
            x = self.conv(x, name)
        coarse = self.decode(x, "")
        pasted = coarse * mask + masked * (1 - mask)
        given = pasted if self.gated else torch.cat([pasted, ones, mask], 1)
        x = given
        for name in [*COARSE, *ATROUS]:
            x = self.conv(x, f"x{name}")
        attended = given
        for name in COARSE:
            activation = torch.relu if name == "conv6" else elu
            attended = self.conv(attended, f"pm{name}", activation)
        attended = self.attend(attended, mask)
        attended = self.conv(self.conv(attended, "pmconv9"), "pmconv10")
        x = torch.cat([x, attended], 1)
        x = self.conv(self.conv(x, "allconv11"), "allconv12")
        return coarse, self.decode(x, "all")


def tensorflow_file(layers):
    state = {}
    for name, (kernel, bias) in layers.items():
        scope = f"inpaint_net/{name}"
        if name.endswith("upsample"):
            scope += f"/{name}_conv"
        state[f"{scope}/kernel"], state[f"{scope}/bias"] = kernel.permute(2, 3, 1, 0), bias
    state["discriminator/conv1/kernel"] = torch.zeros(5, 5, 3, 2)
    return state


def pytorch_file(layers):
    state = {}
    for name, (kernel, bias) in layers.items():
        is_fine = name.startswith(("x", "pm", "all"))
        own = name.removeprefix("x").removesuffix("_upsample")
        prefix = f"{'fine' if is_fine else 'coarse'}_generator.{own}.conv"
        state[f"{prefix}.weight"], state[f"{prefix}.bias"] = kernel, bias
    return state


def gated_pytorch_file(layers):
    state = {}
    for name, (kernel, bias) in layers.items():
        prefix = f"{name}.conv.conv" if name.endswith("upsample") else f"{name}.conv"
        state[f"{prefix}.weight"], state[f"{prefix}.bias"] = kernel, bias
    return state


RELEASES = {
    "tensorflow v1": (tensorflow_file, False, True, True, True, False),
    "tensorflow v2": (tensorflow_file, True, True, True, True, False),
    "pytorch v1": (pytorch_file, False, False, False, True, True),
    "pytorch v2": (gated_pytorch_file, True, False, True, False, True),
}


@pytest.mark.parametrize("release", RELEASES)
def test_files_of_each_release_give_what_its_code_gives(release, tmp_path):
    write, gated, aligned, pads_end, propagate, offset_norms = RELEASES[release]
    layers = weights(gated)
    state = {k: v.contiguous() for k, v in write(layers).items()}
    save_file(state, tmp_path / "deepfill.safetensors")
    network = unstride.load_published(tmp_path / "deepfill.safetensors").double()
    code = ReleasedCode(
        {n: (k.double(), b.double()) for n, (k, b) in layers.items()}, gated=gated,
        aligned=aligned, pads_end=pads_end, propagate=propagate, offset_norms=offset_norms,
    )  # fmt: skip
    is_hole = torch.zeros(1, 1, 64, 80, dtype=torch.bool)
    is_hole[:, :, 20:40, 24:50] = True
    masked = (2 * torch.rand(1, 3, 64, 80).double() - 1).masked_fill(is_hole, 0)
    for actual, exact in zip(
        network.stages(masked, is_hole, (64, 80)), code(masked, is_hole.double()), strict=True
    ):
        torch.testing.assert_close(actual, exact, rtol=0, atol=1e-10)


def test_a_file_with_a_tensor_missing_too_much_or_of_another_shape_is_refused(tmp_path):
    state = pytorch_file(weights())
    path = tmp_path / "file.safetensors"
    name = "fine_generator.allconv17.conv.bias"
    for change, message in (
        ({name: None}, f"the file must hold {name} of shape"),
        ({name: torch.zeros(4)}, f"{name} must be of shape"),
        (
            {"fine_generator.other.weight": torch.zeros(2)},
            "the file must not contain fine_generator.other",
        ),
    ):
        changed = {k: v for k, v in (state | change).items() if v is not None}
        save_file(changed, path)
        with pytest.raises(ValueError, match=rf"file.safetensors: {message}"):
            unstride.load_published(path)


def test_operators_still_load(tmp_path):
    up = unstride.create_upsampler("carafe", 8, compressed_channels=4)
    save_file(up.state_dict(), tmp_path / "carafe.safetensors")
    loaded = unstride.load_published(tmp_path / "carafe.safetensors", scale=2)
    assert torch.equal(loaded.content_encoder.weight, up.content_encoder.weight)
    assert unstride.load_published(tmp_path / "carafe.safetensors").kernel_size == 5


def test_every_layer_has_a_name_of_its_own():
    keys = [tensorflow_key(layer, "weight") for layer in LAYERS.values()]
    assert len(set(keys)) == len(keys) == 17 + 10 + 6 + 2 + 2 + 5
