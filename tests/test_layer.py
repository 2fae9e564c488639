"""An upsampler inside the models of other libraries trains, is saved and is exported with them."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn.functional import mse_loss

import unstride
from unstride.backbones.padding import pad_image
from unstride.transforms.imagenet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
)

STRIDE = 32


class Normalise(nn.Module):
    """As in docs/layer.md. torchvision's Normalize looks at values, which an export cannot do."""

    def __init__(self):
        super().__init__()
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, image):
        return (image - self.mean) / self.std


class Pyramid(nn.Module):
    """Two maps of a timm backbone, at the stride of the finer one."""

    def __init__(self, name="featup_jbu", **options):
        super().__init__()
        self.normalise = Normalise()
        self.pyramid = timm.create_model(
            "resnet10t", features_only=True, out_indices=(1, 4), pretrained=False
        )
        shallow, deep = self.pyramid.feature_info.channels()
        self.guided_by_map = name in ("sapa", "fade")
        if self.guided_by_map:
            options["guide_channels"] = shallow
        self.up = unstride.create_upsampler(name, deep, 8, **options)

    def forward(self, image):
        size = [-(-n // STRIDE) * STRIDE for n in image.shape[2:]]
        padded = pad_image(image, size)
        shallow, deep = self.pyramid(self.normalise(padded))
        fine = self.up(deep, shallow if self.guided_by_map else padded, shallow.shape[2:])
        return torch.cat([shallow, fine], 1)


class Segmenter(nn.Module):
    """A model of torchvision whose last resize is swapped."""

    def __init__(self, name="featup_jbu", **options):
        super().__init__()
        model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=5
        ).eval()
        model.backbone = nn.Sequential(Normalise(), model.backbone)
        example = torch.rand(1, 3, 65, 90)
        self.model = unstride.swap(model, name, example=example, only="self", **options)
        self.up = model.unstride_up

    def forward(self, image):
        return self.model(image)["out"]


class Tokens(nn.Module):
    """DINOv2 of transformers: tokens become a map, the map is upsampled to pixels."""

    def __init__(self, name="featup_jbu", registers=0, **options):
        transformers = pytest.importorskip("transformers", reason="the extra 'models'")
        super().__init__()
        sizes = {
            "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56,
        }  # fmt: skip
        if registers:
            config = transformers.Dinov2WithRegistersConfig(num_register_tokens=registers, **sizes)
            self.model = transformers.Dinov2WithRegistersModel(config)
        else:
            self.model = transformers.Dinov2Model(transformers.Dinov2Config(**sizes))
        self.normalise, self.extra = Normalise(), 1 + registers
        self.patch = self.model.config.patch_size  # 14, or 16 with registers
        self.up = unstride.create_upsampler(name, 24, self.patch, **options)

    def grid(self, image):
        tokens = self.model(self.normalise(image)).last_hidden_state[:, self.extra :]
        return tokens.mT.unflatten(2, [n // self.patch for n in image.shape[2:]])

    def forward(self, image):
        h, w = image.shape[2:]
        padded = pad_image(image, [-(-n // self.patch) * self.patch for n in (h, w)])
        return self.up(self.grid(padded), padded)[..., :h, :w]


MODELS = {
    "timm": (Pyramid, {}),
    "timm paper": (Pyramid, {"variant": "paper", "pretrained": False}),
    "timm sapa": (Pyramid, {"name": "sapa"}),
    "torchvision": (Segmenter, {}),
    "transformers": (Tokens, {}),
    "transformers registers": (Tokens, {"registers": 4}),
}
every_model = pytest.mark.parametrize("name", MODELS)


def build_model(model, **changes):
    torch.manual_seed(1)
    cls, options = MODELS[model]
    return cls(**(options | changes)).eval()


@every_model
@pytest.mark.parametrize("size", [(64, 96), (97, 70), (33, 45)], ids=str)
def test_any_image_and_the_same_answer_twice(name, size):
    model, image = build_model(name), torch.rand(2, 3, *size)
    out = model(image)
    if name.startswith("timm"):  # stride 4 of the padded image
        size = tuple(-(-n // STRIDE) * STRIDE // 4 for n in size)
    assert out.shape[2:] == size
    assert out.isfinite().all()
    assert torch.equal(model(image), out)


@every_model
def test_it_trains_end_to_end(name):
    """To look like the image: possible at an edge only if the upsampler follows it."""
    model = build_model(name)
    image = nn.functional.interpolate(torch.rand(1, 3, 4, 6), (32, 48))  # flat patches
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        out = model(image)
        target = nn.functional.interpolate(image.mean(1, keepdim=True), out.shape[2:])
        losses.append(mse_loss(out, target.expand_as(out)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    own = {n for n in before if n.split(".")[0] == "up"} or {n for n in before if "unstride" in n}
    if "transformers" not in name:  # at scale 8 the stack needs no last stage
        own = {n for n in own if ".fine." not in n}
    assert own
    assert own <= changed
    assert len(changed) > len(own)  # the rest of the model learns through it


@every_model
def test_its_state_makes_the_round_trip(name, tmp_path):
    model, image = build_model(name), torch.rand(1, 3, 50, 70)
    for p in model.parameters():
        nn.init.normal_(p, std=0.1)
    torch.save(model.state_dict(), tmp_path / "state.pt")
    other = build_model(name)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(other(image), model(image))


def test_trained_weights_are_loaded_and_fresh_ones_are_not():
    trained, fresh = build_model("torchvision").up[0], Segmenter(pretrained=False).up[0]
    again = unstride.create_upsampler("featup_jbu", 5, 8)
    for (name, p), q in zip(trained.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(p, q), name
    assert any(
        not torch.equal(p, q) for p, q in zip(trained.parameters(), fresh.parameters(), strict=True)
    )


def test_a_cell_is_where_its_token_was():
    """One bright patch changes its own token most: rows and columns are not exchanged."""
    model = build_model("transformers")
    for name, p in model.named_parameters():  # without attention a token sees its patch alone
        if "layer_scale1" in name:
            nn.init.zeros_(p)
    dark = torch.zeros(1, 3, 56, 84)
    bright = dark.clone()
    bright[..., 14:28, 56:70] = 1
    changed = (model.grid(bright) - model.grid(dark)).abs().sum(1)[0]
    assert changed.argmax() == 1 * 6 + 4
    changed[1, 4] = 0
    assert changed.max() < 1e-5


def test_swapped_and_by_hand_are_the_same():
    model, image = build_model("torchvision").model, torch.rand(1, 3, 64, 96)
    plain = model.classifier(model.backbone(image))
    by_hand = unstride.create_upsampler("featup_jbu", 5, 8)(plain, image, (64, 96))
    assert torch.equal(model(image)["out"], by_hand)


@pytest.mark.parametrize(
    ("name", "upsampler"),
    [("torchvision", "joint_bilateral"), ("transformers registers", "guided_filter")],
)
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)
def test_onnx_gives_the_same_numbers(name, upsampler, tmp_path):
    """No further from float64 than four times what float32 is here.

    Two orders of summation err alike; the factor is for the luck of the largest of many.
    """
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    model, image = build_model(name, name=upsampler), torch.rand(1, 3, 50, 70)
    unstride.export_onnx(model, (image,), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    (actual,) = session.run([target.name], {source.name: image.numpy()})
    with torch.no_grad():
        expected, exact = model(image).numpy(), model.double()(image.double()).numpy()
    own_error = np.abs(expected - exact).max()
    assert 0 < own_error < 1e-3 * np.abs(exact).max()
    assert np.abs(actual - exact).max() <= 4 * own_error
