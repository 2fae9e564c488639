"""A task network of its description, on a plain vision transformer too."""

import pytest
import torch

from unstride.models.saved_task import create_task
from unstride.upsamplers import CarafeUpsample, Deconvolution, Nearest

KINDS = {
    "segmentation": ("semantic_fpn", {"width": 16, "branch_width": 16}),
    "detection": ("mask_rcnn", {"width": 16, "min_size": 64}),
    "depth": ("supervised", {"near": 0.1, "far": 10.0, "width": 16}),
}


def described(task="segmentation", upsampler=None, backbone="test_vit", **options):
    model, inside = KINDS[task]
    return {
        "task": task, "model": model, "backbone": backbone, "strides": [4, 8, 16, 32],
        "classes": ["a", "b"], "upsampler": upsampler, "options": inside | options,
    }  # fmt: skip


def operators(network):
    doublings = network.pyramid.neck.doublings.values()
    return {type(each.upsampler) for level in doublings for each in level}


@pytest.mark.parametrize(
    ("word", "kind"), [(None, Deconvolution), ("carafe", CarafeUpsample), ("sapa", Deconvolution)]
)
def test_the_word_goes_to_a_plain_transformers_pyramid_if_it_needs_no_features(word, kind):
    assert operators(create_task(described(upsampler=word))) == {kind}


def test_that_pyramid_has_a_word_of_its_own():
    network = create_task(described(upsampler="sapa", pyramid_upsampler="nearest"))
    assert operators(network) == {Nearest}
    with pytest.raises(ValueError, match="upsampler SAPA needs finer features"):
        create_task(described(pyramid_upsampler="sapa"))
    with pytest.raises(ValueError, match="pyramid_upsampler: resnet10t has these strides itself"):
        create_task(described(backbone="resnet10t", pyramid_upsampler="carafe"))


@pytest.mark.parametrize("task", KINDS)
def test_every_task_stands_on_it(task):
    network, image = create_task(described(task)).eval(), torch.rand(1, 3, 50, 70)
    with torch.no_grad():
        if task == "detection":
            assert network([image[0]])[0]["masks"].shape[2:] == (50, 70)
        else:
            assert network(image).shape[-2:] == (50, 70)
