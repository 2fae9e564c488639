"""A pretrained FPN and head start a detector: each level by its stride, and nothing else moves."""

import pytest
import torch
from safetensors.torch import save_file

from unstride.backbones.pyramid import create_pyramid
from unstride.models.detection.detector import create_detector
from unstride.models.pretraining.neck_weights import load_neck_weights, neck_state
from unstride.models.pretraining.network import PretrainingNetwork
from unstride.models.segmentation.by_name import create_segmenter

WIDTH = 64


@pytest.fixture(scope="module")
def pretrained():
    pyramid = create_pyramid("test_resnet", (8, 16, 32), pretrained=False)
    return PretrainingNetwork(
        pyramid, hidden_channels=4, out_channels=4, neck="head", neck_width=WIDTH
    )


@pytest.fixture
def path(pretrained, tmp_path):
    save_file(neck_state(pretrained.fpn, pretrained.tower), tmp_path / "neck.safetensors")
    return tmp_path / "neck.safetensors"


def detector(architecture, strides, width=WIDTH):
    pyramid = create_pyramid("test_resnet", strides, pretrained=False)
    return create_detector(architecture, pyramid, 2, width=width)


def moved_by(network, path):
    """Names of the parameters that loading changes."""
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    load_neck_weights(network, path)
    return {name for name, p in network.named_parameters() if not torch.equal(before[name], p)}


def test_fcos_gets_all_levels_and_both_of_its_heads_convolutions(pretrained, path):
    fcos = detector("fcos", (8, 16, 32))
    moved = moved_by(fcos, path)
    for i in range(3):
        for kind in ("inner_blocks", "layer_blocks"):
            own = getattr(fcos.backbone.fpn, kind)[i][0]
            assert torch.equal(own.weight, getattr(pretrained.fpn, kind)[i][0].weight)
    for head in (fcos.head.classification_head, fcos.head.regression_head):
        expected = pretrained.tower.state_dict()
        assert all(
            torch.equal(value, expected[name]) for name, value in head.conv.named_parameters()
        )
    assert all(".fpn." in name or ".conv." in name for name in moved)
    assert not any("extra_blocks" in name for name in moved)


@pytest.mark.parametrize("kind", ["faster_rcnn", "semantic_fpn"])
def test_levels_go_to_their_strides(kind, pretrained, path):
    strides = (4, 8, 16, 32)
    if kind == "faster_rcnn":
        network = detector(kind, strides)
        fpn = network.backbone.fpn
    else:
        pyramid = create_pyramid("test_resnet", strides, pretrained=False)
        network = create_segmenter(kind, pyramid, 3, width=WIDTH, branch_width=32)
        fpn = network.fpn
    moved = moved_by(network, path)
    for i in range(3):
        assert torch.equal(
            fpn.inner_blocks[i + 1][0].weight, pretrained.fpn.inner_blocks[i][0].weight
        )
    assert all("fpn." in name and "blocks.0" not in name for name in moved)
    assert len(moved) >= 6


def test_what_does_not_fit_is_refused(path, tmp_path):
    with pytest.raises(ValueError, match=r"neck.safetensors: inner.8.weight must be .*neck_width"):
        load_neck_weights(detector("fcos", (8, 16, 32), width=96), path)
    with pytest.raises(ValueError, match="neck_weights needs a network with an FPN"):
        load_neck_weights(torch.nn.Conv2d(3, 3, 1), path)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors: holds no FPN"):
        load_neck_weights(detector("fcos", (8, 16, 32)), tmp_path / "other.safetensors")
