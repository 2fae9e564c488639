"""A ResNet's parameters by the names of other libraries, and back."""

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file

from unstride.saving.backbone_names import from_detectron2, to_library, write_backbone


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return timm.create_model("resnet18", pretrained=False, num_classes=0).state_dict()


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvisions_network_takes_them(name):
    state = timm.create_model(name, pretrained=False, num_classes=0).state_dict()
    network = torchvision.models.get_model(name, weights=None)
    missing, unexpected = network.load_state_dict(to_library(state, "torchvision"), strict=False)
    assert missing == ["fc.weight", "fc.bias"]
    assert unexpected == []


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_detectron2s_names_and_back(name):
    state = timm.create_model(name, pretrained=False).state_dict()
    named = to_library(state, "detectron2")
    assert {
        "stem.conv1.weight", "stem.conv1.norm.running_mean", "res2.0.conv1.weight",
        "res2.0.conv1.norm.bias", "res3.0.shortcut.weight", "res3.0.shortcut.norm.weight",
        "res5.1.conv2.norm.running_var",
    } <= set(named)  # fmt: skip
    back = from_detectron2(named)
    expected = {
        k: v
        for k, v in state.items()
        if not k.startswith("fc.") and not k.endswith("num_batches_tracked")
    }
    assert back.keys() == expected.keys()
    assert all(torch.equal(back[k], expected[k]) for k in expected)


def test_files_are_as_each_library_reads_them(state, tmp_path):
    write_backbone(tmp_path / "timm.safetensors", state)
    assert load_file(tmp_path / "timm.safetensors").keys() == state.keys()
    read = {}
    for library in ("torchvision", "mmdetection", "detectron2"):
        write_backbone(tmp_path / library, state, library)
        read[library] = torch.load(tmp_path / library, weights_only=True)
    assert read["torchvision"].keys() == read["mmdetection"]["state_dict"].keys() == state.keys()
    assert read["detectron2"]["matching_heuristics"] is True
    assert read["detectron2"]["model"].keys() == to_library(state, "detectron2").keys()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "detectron2", "mmdetection", "timm.safetensors", "torchvision",
    ]  # fmt: skip


def test_other_backbones_and_libraries_are_refused(state):
    other = timm.create_model("test_vit", pretrained=False).state_dict()
    with pytest.raises(ValueError, match="only ResNets have names in detectron2"):
        to_library(other, "detectron2")
    assert to_library(other, "timm").keys() == other.keys()
    with pytest.raises(ValueError, match=r"library must be one of timm, .*got 'keras'"):
        to_library(state, "keras")
