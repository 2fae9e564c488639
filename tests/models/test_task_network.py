"""Task networks built from a config, on a plain vision transformer too."""

import pytest
import torch

from unstride.models.task_network import create_task_network, read_task, write_task
from unstride.upsamplers import SAPA, Deconvolution, DySample, Nearest

RCNN = {"width": 16, "min_size": 64}
MODELS = {
    "segmentation": ("semantic_fpn", {"width": 16, "branch_width": 16}),
    "detection": ("mask_rcnn", RCNN),
    "panoptic": ("panoptic_fpn", RCNN | {"branch_width": 16, "things": [1], "stuff": [2]}),
    "depth": ("supervised", {"near": 0.1, "far": 10.0, "width": 16}),
    "multitask": ("multitask", {"near": 0.1, "far": 10.0, "width": 16, "tasks": ["depth"]}),
}


def task_config(task="segmentation", upsampler=None, backbone="test_vit", **options):
    model, model_options = MODELS[task]
    return {
        "task": task, "model": model, "backbone": backbone, "strides": [4, 8, 16, 32],
        "classes": ["a", "b"], "upsampler": upsampler, "options": model_options | options,
    }  # fmt: skip


def operators(network):
    doublings = network.pyramid.neck.doublings.values()
    return {type(block.upsampler) for level in doublings for block in level}


@pytest.mark.parametrize(
    ("upsampler", "upsampler_class"),
    [(None, Deconvolution), ("dysample:groups=8", DySample), ("sapa", SAPA)],
)
def test_the_word_goes_to_a_plain_transformers_pyramid_too(upsampler, upsampler_class):
    assert operators(create_task_network(task_config(upsampler=upsampler))) == {upsampler_class}


def test_that_pyramid_has_a_word_of_its_own(tmp_path):
    config = task_config(upsampler="sapa", pyramid_upsampler="nearest")
    network = create_task_network(config).eval()
    assert operators(network) == {Nearest}
    write_task(tmp_path / "model", config, network)
    again, _ = read_task(tmp_path / "model")
    image = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        assert torch.equal(again(image), network(image))
    with pytest.raises(ValueError, match="pyramid_upsampler needs a plain ViT, got resnet10t"):
        create_task_network(task_config(backbone="resnet10t", pyramid_upsampler="carafe"))


@pytest.mark.parametrize("task", MODELS)
def test_every_task_stands_on_it(task):
    network, image = create_task_network(task_config(task)).eval(), torch.rand(1, 3, 50, 70)
    with torch.no_grad():
        output = network([image[0]]) if task in ("detection", "panoptic") else network(image)
    if task in ("detection", "panoptic"):
        [output] = output
        output = output["masks"] if task == "detection" else output["ids"]
    elif task == "multitask":
        output = output["depth"]
    assert output.shape[-2:] == (50, 70)
