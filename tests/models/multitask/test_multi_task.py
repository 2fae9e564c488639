"""Dense tasks on a pyramid with any upsampler: sizes, units, gradients, and what is left out."""

from functools import partial

import pytest
import torch

from tests.models.tiny_pyramid import TinyPyramid
from unstride.backbones.pyramid import create_pyramid
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.multitask.single_task import SingleTask
from unstride.models.multitask.task import (
    LogDepth,
    Segmentation,
    SurfaceNormals,
)
from unstride.upsamplers.by_name import create_upsampler

SIZE = (50, 70)  # no multiple of anything


def tasks():
    return {"classes": Segmentation(5), "depth": LogDepth(0.5, 8.0), "normals": SurfaceNormals()}


def network(upsampler="bilinear", strides=(4, 8, 16)):
    pyramid = create_pyramid("resnet18", strides, pretrained=False)
    return MultiTask(pyramid, tasks(), partial(create_upsampler, upsampler), width=8)


def targets(n=2):
    normals = torch.nn.functional.normalize(torch.randn(n, 3, *SIZE), dim=1)
    return {
        "classes": torch.randint(0, 5, (n, *SIZE)),
        "depth": 0.5 + 7 * torch.rand(n, *SIZE),
        "normals": normals,
    }


@pytest.mark.parametrize("upsampler", ["bilinear", "carafe", "dysample", "fade", "joint_bilateral"])
def test_every_task_answers_at_every_pixel_and_every_parameter_learns(upsampler):
    model = network(upsampler)
    predictions = model(torch.rand(2, 3, *SIZE))
    assert {name: tuple(prediction.shape) for name, prediction in predictions.items()} == {
        "classes": (2, 5, *SIZE), "depth": (2, *SIZE), "normals": (2, 3, *SIZE),
    }  # fmt: skip
    model.loss(predictions, targets())[0].backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def test_answers_have_their_units():
    predictions = network()(torch.rand(1, 3, *SIZE))
    assert (predictions["depth"] > 0.5).all()
    assert (predictions["depth"] < 8).all()
    torch.testing.assert_close(predictions["normals"].norm(dim=1), torch.ones(1, *SIZE))
    raw = torch.tensor([-50.0, 0, 50]).view(1, 1, 1, 3)
    torch.testing.assert_close(LogDepth(0.5, 8.0).activate(raw), torch.tensor([[[0.5, 2.0, 8.0]]]))


def test_the_image_is_where_the_answers_are():
    """What is asked of the padded image is cropped at its right and bottom, not resized."""
    model = network().eval()
    image = torch.rand(1, 3, 64, 96)
    part = image[:, :, :50, :70]
    padded = torch.nn.functional.pad(part, (0, 26, 0, 14), mode="reflect")
    with torch.inference_mode():
        whole, cut = model(padded), model(part)
    for name in whole:
        torch.testing.assert_close(cut[name], whole[name][..., :50, :70])


def test_half_types_inside_do_not_round_the_answers():
    network = MultiTask(
        TinyPyramid(), {"depth": LogDepth(0.3, 10.0), "normals": SurfaceNormals()}, width=8
    )
    with torch.autocast("cpu", torch.bfloat16):
        predictions = network(torch.rand(1, 3, 32, 48))
    assert {prediction.dtype for prediction in predictions.values()} == {torch.float32}
    lengths = predictions["normals"].norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_tasks_without_labels_take_no_part():
    model, given = network(), targets()
    predictions = model(torch.rand(2, 3, *SIZE))
    total, losses = model.loss(predictions, given)
    assert list(losses) == ["classes", "depth", "normals"]
    expected = losses["classes"] + (losses["depth"] + losses["normals"]) / 2
    torch.testing.assert_close(total, expected)
    unlabelled = given | {"depth": torch.zeros(2, *SIZE), "classes": torch.full((2, *SIZE), 255)}
    total, losses = model.loss(predictions, unlabelled)
    assert list(losses) == ["normals"]
    torch.testing.assert_close(total, losses["normals"] / 2)
    nothing = {"normals": torch.zeros(2, 3, *SIZE)}
    total, losses = model.loss(predictions, nothing)
    assert (total.item(), losses) == (0, {})
    total.backward()


def test_the_weights_are_of_the_right_kind():
    weighting = network().weighting
    assert dict(zip(weighting.task_names, weighting.factor.tolist(), strict=True)) == {
        "classes": 1, "depth": 0.5, "normals": 0.5,
    }  # fmt: skip


def test_what_does_not_fit_is_said():
    model = network()
    with pytest.raises(
        ValueError, match="keys of targets must be among classes, depth, normals, got edges"
    ):
        model.loss({}, {"edges": torch.zeros(1)})
    with pytest.raises(ValueError, match="at least one task"):
        MultiTask(model.pyramid, {})
    with pytest.raises(ValueError, match="near must be below far"):
        LogDepth(2.0, 1.0)


def test_a_few_steps_fit_a_scene():
    """Depth, normals and classes of a picture, each better than the best constant."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 48), indexing="ij")
    image = torch.stack([x, y, (x > 0.5).float()])[None]
    normals = torch.nn.functional.normalize(
        torch.stack([x - 0.5, y - 0.5, -torch.ones_like(x)]), dim=0
    )
    given = {
        "classes": (x > 0.5).long()[None],
        "depth": (1 + 3 * y)[None],
        "normals": normals[None],
    }
    pyramid = create_pyramid("resnet18", (2, 4), pretrained=False)
    model = MultiTask(pyramid, tasks(), width=16)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        total, losses = model.loss(model(image), given)
        total.backward()
        optimizer.step()
    constants = {
        "classes": 0.69,
        "depth": given["depth"].log().var().item(),
        "normals": 1 - normals.mean((1, 2)).norm().item(),
    }
    for name, loss in losses.items():
        assert loss < 0.5 * constants[name], name


def test_one_task_alone():
    depth = SingleTask(create_pyramid("resnet18", (2, 4), pretrained=False), LogDepth(), width=8)
    assert depth(torch.rand(1, 3, 33, 47)).shape == (1, 33, 47)
