"""TensorBoard shows the first validation photographs, what is true of them and what was found."""

import pytest
import torch

pytest.importorskip("pytorch_lightning", reason="pip install 'unstride[train]'")

from pytorch_lightning.loggers import TensorBoardLogger
from torch import nn

from tests.models.tiny_pyramid import TinyPyramid
from unstride.formats.segments import Segment
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.multitask.single_task import SingleTask
from unstride.models.multitask.task import (
    LogDepth,
    Segmentation,
    SurfaceNormals,
)
from unstride.models.segmentation.semantic_fpn import SemanticFPN
from unstride.recipes import depth, detection, multitask, segmentation
from unstride.recipes.panoptic_learner import learner_class as panoptic_learner
from unstride.training.options import TaskOptions
from unstride.training.task_learner import TaskLearner
from unstride.transforms.panoptic_targets import PanopticClasses
from unstride.transforms.resize import resize_bilinear
from unstride.viz import (
    depth_picture,
    detection_overlay,
    image_row,
    normal_colours,
    panoptic_overlay,
    segmentation_comparison,
)
from unstride.viz.depth import depth_limits

NAMES = ["wall", "floor", "lamp"]
H, W = 32, 48


class Album(TensorBoardLogger):
    """Keeps the pictures."""

    def __init__(self):
        self.shown = {}

    @property
    def experiment(self):
        return self

    def add_image(self, name, picture, step):
        self.shown[name] = picture


@pytest.fixture
def album(monkeypatch):
    """What every learner shows."""
    album = Album()
    monkeypatch.setattr(TaskLearner, "logger", album)
    monkeypatch.setattr(TaskLearner, "global_step", 5)
    return album


def validated(learner, *batches):
    """All validation steps, without gradients."""
    with torch.no_grad():
        for index, batch in enumerate(batches):
            learner.eval().validation_step(batch, index)


class Says(nn.Module):
    """A network that always gives the same answer."""

    classes = PanopticClasses((7,), (9,))

    def __init__(self, answer):
        super().__init__()
        self.answer, self.pyramid = answer, nn.Identity()
        self.backbone = nn.ModuleDict({"body": nn.Identity()})
        self.detector = nn.ModuleDict({"backbone": self.backbone})

    def forward(self, images):
        return self.answer

    def predict_segments(self, images):
        return [(self.answer[0]["ids"], self.answer[0]["segments"])]


def test_only_the_first_photographs_are_shown(album, tmp_path):
    network = SemanticFPN(TinyPyramid(), 3, width=8, branch_width=8)
    learner = segmentation.SegmentationLearner(network, segmentation.Options(data=tmp_path), NAMES)
    batches = [(torch.rand(1, 3, H, W), torch.randint(0, 3, (1, H, W))) for _ in range(6)]
    validated(learner, *batches)
    assert list(album.shown) == [f"validation/{i}" for i in range(4)]
    image, truth = batches[2]
    with torch.no_grad():
        found = network(image).argmax(1)
    assert torch.equal(
        album.shown["validation/2"], segmentation_comparison(image[0], truth[0], found[0], NAMES)
    )


def test_objects_are_shown_from_a_score_of_one_half(album, tmp_path):
    image, masks = torch.rand(3, H, W), torch.zeros(2, H, W, dtype=torch.bool)
    masks[0, 4:20, 5:18] = True
    masks[1, 8:30, 25:40] = True
    boxes = torch.tensor([[5.0, 4.0, 18.0, 20.0], [25.0, 8.0, 40.0, 30.0]])
    found = {"boxes": boxes, "labels": torch.tensor([1, 1]), "scores": torch.tensor([0.9, 0.4])}
    found["masks"] = masks[:, None].float()
    target = {"boxes": boxes, "labels": found["labels"], "masks": masks}
    target["iscrowd"] = torch.zeros(2, dtype=torch.int64)
    target["area"] = masks.sum((1, 2)).float()
    options = detection.Options(data=tmp_path)
    learner = detection.DetectionLearner(Says([dict(found)]), options, "mask_rcnn", ["pedestrian"])
    validated(learner, ([image], [target]))
    true = dict(found, scores=torch.ones(2))
    sure = {name: value[:1] for name, value in found.items()}
    expected = [detection_overlay(image, each, ["pedestrian"]) for each in (true, sure)]
    assert torch.equal(album.shown["validation/0"], image_row(*expected))


@pytest.mark.parametrize("model", ["panoptic_fpn", "panoptic_deeplab"])
def test_segments_are_shown_in_the_colours_of_their_classes(model, album, tmp_path):
    image, ids = torch.rand(3, H, W), torch.full((H, W), 5)
    ids[10:20, 10:30] = 8
    segments = [Segment(5, 9), Segment(8, 7)]
    target = {"ids": ids[None], "segments": [*segments, Segment(6, 7)]}  # 6 was cut off
    network = Says([{"ids": torch.full((H, W), 5), "segments": segments[:1]}])
    options, names = TaskOptions(data=tmp_path), ["dog", "grass"]
    validated(panoptic_learner(model)(network, options, names), ([image], [target]))
    expected = (
        panoptic_overlay(image, ids, {5: 1, 8: 0}, names),
        panoptic_overlay(image, torch.full((H, W), 5), {5: 1}, names),
    )
    assert torch.equal(album.shown["validation/0"], image_row(*expected))


@pytest.mark.parametrize("alignment", ["none", "median"])
def test_depth_is_shown_at_one_scale_where_it_is_in_metres(alignment, album, tmp_path):
    network = SingleTask(TinyPyramid(), LogDepth(0.5, 8.0), width=8)
    options = depth.Options(data=tmp_path, alignment=alignment)
    image, truth = torch.rand(1, 3, H, W), 1 + torch.rand(1, 2 * H, 2 * W)
    validated(depth.SupervisedDepth(network, options), (image, truth))
    with torch.no_grad():
        found = resize_bilinear(network(image)[:, None], (2 * H, 2 * W))[0, 0]
    span = depth_limits(truth[0]) if alignment == "none" else None
    maps = [depth_picture(each, span) for each in (truth[0], found)]
    assert torch.equal(
        album.shown["validation/0"], image_row(resize_bilinear(image, (2 * H, 2 * W))[0], *maps)
    )


def test_each_of_several_tasks_is_shown(album, tmp_path):
    tasks = {
        "segmentation": Segmentation(3), "depth": LogDepth(0.5, 8.0), "normals": SurfaceNormals(),
    }  # fmt: skip
    network = MultiTask(TinyPyramid(), tasks, width=8)
    options = multitask.Options(data=tmp_path, tasks=tuple(tasks))
    image = torch.rand(1, 3, H, W)
    labels = {
        "segmentation": torch.randint(0, 3, (1, H, W)),
        "depth": 1 + torch.rand(1, H, W),
        "normals": torch.nn.functional.normalize(torch.randn(1, 3, H, W), dim=1),
    }
    validated(multitask.MultiTaskLearner(network, options, NAMES), (image, labels))
    assert list(album.shown) == [f"{task}/0" for task in tasks]
    with torch.no_grad():
        found = {task: answer[0] for task, answer in network(image).items()}
    truth = {task: label[0] for task, label in labels.items()}
    classes = segmentation_comparison(
        image[0], truth["segmentation"], found["segmentation"].argmax(0), NAMES
    )
    assert torch.equal(album.shown["segmentation/0"], classes)
    maps = [depth_picture(each["depth"], depth_limits(truth["depth"])) for each in (truth, found)]
    assert torch.equal(album.shown["depth/0"], image_row(image[0], *maps))
    colours = [normal_colours(each["normals"]) for each in (truth, found)]
    assert torch.equal(album.shown["normals/0"], image_row(image[0], *colours))
