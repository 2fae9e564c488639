"""Command-line arguments become the model that they name."""

import pytest
import torch
from safetensors.torch import save_file

from unstride import create_upsampler
from unstride.backbones.timm_backbone import create_backbone
from unstride.inference.from_names import build_model
from unstride.upsamplers.from_words import (
    has_packaged_weights,
    image_guided_upsampler,
    parse_upsampler,
)


def test_chosen_options_are_numbers_booleans_and_words():
    assert parse_upsampler("featup_jbu:a=1,b=0.5,c=true,d=False,e=paper,f=1e-3") == (
        "featup_jbu", {"a": 1, "b": 0.5, "c": True, "d": False, "e": "paper", "f": 1e-3},
    )  # fmt: skip
    assert parse_upsampler("bilinear") == parse_upsampler("bilinear:") == ("bilinear", {})
    for text in ("a", "a=", "=1", "a=1,,b=2"):
        with pytest.raises(ValueError, match="must be NAME=VALUE, got"):
            parse_upsampler(f"bilinear:{text}")


def test_chosen_options_and_stages_reach_the_upsampler_and_the_file():
    model, metadata = build_model(
        "tf_efficientnet_lite0", "featup_jbu:variant=paper,radius=1,pretrained=false", None
    )
    assert "radius" in metadata["upsampler"]
    assert model.upsampler.stages[0].kernel_size == 3
    with pytest.raises(ValueError, match="upsampler bilinear has no option"):
        build_model("tf_efficientnet_lite0", "bilinear:radius=1", None)
    model, _ = build_model("tf_efficientnet_lite0", "carafe", None, stages=5)
    assert len(model.upsampler.upsamplers) == 5


def test_chosen_backbone_weights_are_read(tmp_path):
    torch.manual_seed(0)
    other = create_backbone("tf_efficientnet_lite0", pretrained=False)
    save_file(other.model.state_dict(), path := tmp_path / "other.safetensors")
    model, metadata = build_model("tf_efficientnet_lite0", "bilinear", None, backbone_weights=path)
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(model.backbone(image), other(image))
    _, usual = build_model("tf_efficientnet_lite0", "bilinear", None)
    assert metadata["weights"] != usual["weights"]


def test_the_file_remembers_the_backbone_and_its_normalisation(tmp_path):
    name = "mobilenetv3_small_050"
    state = create_backbone(name, pretrained=False).model.state_dict()
    save_file(state, path := tmp_path / "weights.safetensors")
    _, metadata = build_model(name, "bilinear", 16, backbone_weights=path)
    assert metadata["backbone"] == name
    assert metadata["stride"] == "16"
    assert metadata["mean"] == "0.485,0.456,0.406"
    assert metadata["std"] == "0.229,0.224,0.225"


def test_chosen_weights_are_read_from_a_file_or_a_folder_that_says_all(tmp_path):
    trained = create_upsampler("carafe", 8, 4)
    save_file(trained.state_dict(), tmp_path / "up.safetensors")
    trained.save_pretrained(tmp_path / "up")
    for path in (tmp_path / "up.safetensors", tmp_path / "up"):
        held = image_guided_upsampler("carafe", {}, 8, 4, path).state_dict()
        assert all(torch.equal(held[key], t) for key, t in trained.state_dict().items())
    create_upsampler("featup_jbu", 8, 4).save_pretrained(tmp_path / "any")
    assert image_guided_upsampler("featup_jbu", {}, 16, 4, tmp_path / "any").channels == 16
    with pytest.raises(ValueError, match="is a folder that contains all options"):
        image_guided_upsampler("carafe", {"kernel_size": 3}, 8, 4, tmp_path / "up")
    with pytest.raises(ValueError, match="cannot take an image as its guide"):
        image_guided_upsampler("fade", {"guide_channels": 8}, 8, 2)


def test_chosen_words_come_trained_unless_they_decline():
    assert has_packaged_weights("featup_jbu", {})
    assert has_packaged_weights("featup_jbu", {"pretrained": "tf_efficientnet_lite2_stride32"})
    assert not has_packaged_weights("featup_jbu", {"pretrained": False})
    assert not has_packaged_weights("carafe", {})
