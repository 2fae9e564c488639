"""The recipe for detectors: what it trains, what it leaves, and what it says when it cannot."""

import dataclasses
import json

import pytest
import torch
from torch import nn

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes import tiny_coco as scenes
from unstride.cli import main as cli
from unstride.datasets.instances import collate_instances
from unstride.datasets.pennfudan import PennFudan
from unstride.models.task_network import create_task_network, read_task
from unstride.recipes import detection
from unstride.training import task_run as task

TINY = {"width": 16, "rpn_post_nms_top_n_train": 40, "rpn_pre_nms_top_n_train": 60}
TINY |= {"rpn_post_nms_top_n_test": 20, "box_batch_size_per_image": 16, "box_score_thresh": 0.0}


@pytest.fixture
def data(tmp_path):
    return scenes.write_pennfudan(tmp_path / "data")


def options(data, out, model="mask_rcnn", **changes):
    chosen = {
        "data": data, "out": out, "model": model, "backbone": "resnet10t", "pretrained": False,
        "model_options": TINY if "rcnn" in model else {}, "min_size": (64,), "max_size": 80,
        "strides": (4, 8, 16), "steps": 2, "batch_size": 2, "learning_rate": 1e-3,
        "backbone_lr_factor": 1.0, "weight_decay": 0.0, "max_grad_norm": 0.0, "save_every": 1,
        "val_limit": 1, "device": "cpu",
    }  # fmt: skip
    return detection.Options(**(chosen | changes))


def untrained_network(config):
    """The network before its first step, with seed 0."""
    torch.manual_seed(0)
    return create_task_network(config)


def curve(out):
    return json.loads((out / "card.json").read_text(encoding="utf-8"))["curve"]


@pytest.mark.parametrize(
    ("model", "backbone"),
    [
        ("faster_rcnn", "resnet10t"), ("mask_rcnn", "resnet10t"), ("mask_rcnn", "test_vit"),
        ("fcos", "resnet10t"), ("retinanet", "resnet10t"), ("retinanet", "test_vit"),
    ],
)  # fmt: skip
def test_two_steps_move_every_parameter_and_no_statistics(model, backbone, data, tmp_path):
    strides = (4, 8, 16) if "rcnn" in model or backbone == "test_vit" else (8, 16)
    chosen = options(
        data, tmp_path / "run", model, backbone=backbone, strides=strides, scale_range=(0.8, 1.2)
    )
    scores = detection.fit(chosen)
    after, config = read_task(tmp_path / "run/model")
    before = untrained_network(config).state_dict()
    moved = {n for n, value in after.state_dict().items() if not torch.equal(value, before[n])}
    learned = {n for n, p in after.named_parameters() if p.requires_grad}
    assert moved == learned
    assert all(0 < loss < 1e3 for _, loss in curve(tmp_path / "run"))
    expected = {"box_ap", "box_ap50"} | (
        {"mask_ap", "mask_ap50"} if model == "mask_rcnn" else set()
    )
    assert scores.keys() == expected


def test_same_seed_same_curve_and_a_killed_run_goes_on_to_it(data, tmp_path, monkeypatch):
    chosen = options(data, tmp_path / "whole", "faster_rcnn", steps=3, scale_range=(0.8, 1.2))
    detection.fit(chosen)
    detection.fit(dataclasses.replace(chosen, out=tmp_path / "other", seed=1, steps=1))
    real = detection.DetectionLearner.training_step

    def killed(self, batch, index):
        if self.global_step == 2:
            raise KeyboardInterrupt("killed")
        return real(self, batch, index)

    stopped = dataclasses.replace(chosen, out=tmp_path / "stopped")
    monkeypatch.setattr(detection.DetectionLearner, "training_step", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        detection.fit(stopped)
    taken = []
    monkeypatch.setattr(
        detection.DetectionLearner,
        "training_step",
        lambda self, *batch: (taken.append(self.global_step), real(self, *batch))[1],
    )
    detection.fit(stopped)
    assert taken == [2]
    assert curve(tmp_path / "stopped") == curve(tmp_path / "whole")
    assert curve(tmp_path / "other")[0] != curve(tmp_path / "whole")[0]


def test_the_run_leaves_a_network_with_the_same_outputs_and_scores(data, tmp_path, monkeypatch):
    trained, real = [], task.write_task
    monkeypatch.setattr(task, "write_task", lambda *given: (trained.append(given[2]), real(*given)))
    chosen = options(data, tmp_path / "run", upsampler="carafe", steps=1)
    scores = detection.fit(chosen)
    network, config = read_task(tmp_path / "run/model")
    image = PennFudan(data, "test")[0][0].as_subclass(torch.Tensor)
    with torch.no_grad():
        (expected,), (found,) = trained[0].eval()([image]), network([image])
    assert len(expected["boxes"])
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert config["classes"] == ["pedestrian"]
    assert config["categories"] == [1]
    assert detection.validate(chosen) == scores
    assert json.loads((tmp_path / "run/val.json").read_text(encoding="utf-8")) == scores


class Truth(nn.Module):
    """A detector that knows, of the photographs it was shown, all but the last object."""

    def __init__(self, targets, known=None):
        super().__init__()
        self.targets, self.known = targets, known

    def forward(self, images):
        chosen = slice(self.known)
        return [
            {
                "boxes": target["boxes"][chosen],
                "labels": target["labels"][chosen],
                "scores": torch.ones(len(target["labels"]))[chosen],
                "masks": target["masks"][chosen, None] * 0.6,
            }
            for target in self.targets
        ]


@pytest.mark.parametrize(("known", "expected"), [(None, 100), (1, 100 * 51 / 101)])
def test_scores_are_percents_of_what_was_found(data, known, expected):
    images, targets = collate_instances([PennFudan(data, "val")[0]])
    chosen = options(data, data, freeze_norms=False)
    learner = detection.DetectionLearner(Truth(targets, known), chosen, "mask_rcnn", ["pedestrian"])
    logged = {}
    learner.log = lambda name, value, **how: logged.update({name: float(value)})
    learner.validation_step((images, targets), 0)
    learner.on_validation_epoch_end()
    assert logged == pytest.approx(
        dict.fromkeys(("box_ap", "box_ap50", "mask_ap", "mask_ap50"), expected)
    )


def test_the_backbone_has_its_own_rate(data, tmp_path):
    changes = {"backbone_lr_factor": 0.1, "learning_rate": 0.02, "warmup_steps": 0}
    chosen = options(data, tmp_path, "fcos", **changes)
    config = {
        "task": "detection", "model": "fcos", "backbone": "resnet10t", "strides": [8, 16],
        "classes": ["pedestrian"], "upsampler": None, "options": {},
    }  # fmt: skip
    network = untrained_network(config)
    (optimizer,), _ = detection.DetectionLearner(
        network, chosen, "fcos", ["a"]
    ).configure_optimizers()
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        expected = 0.002 if name.startswith("backbone.body.") else 0.02
        assert rates[id(parameter)] == pytest.approx(expected), name


def test_crowds_of_coco_are_not_learned_and_cut_objects_are_trimmed(tmp_path):
    data = scenes.write_coco(tmp_path / "data")
    chosen = options(
        data, tmp_path / "run", dataset="coco", scale_range=(2.0, 2.0), horizontal_flip=False
    )
    dataset = detection.load_split(chosen, "train")
    _, target = detection.DetectionTransform(chosen)(*dataset[0])
    assert target["labels"].tolist() in ([1], [])  # the crowd is the dog
    _, target = detection.DetectionTransform(chosen)(*dataset[1])
    for box, mask in zip(target["boxes"].tolist(), target["masks"], strict=True):
        rows, columns = mask.nonzero(as_tuple=True)
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    plain = options(data, tmp_path / "run", dataset="coco", horizontal_flip=False)
    _, same = detection.DetectionTransform(plain)(*dataset[1])
    assert torch.equal(same["boxes"], dataset[1][1]["boxes"])


@pytest.mark.parametrize("include_empty", [True, False])
def test_photographs_without_objects_teach_only_if_they_should(
    include_empty, tmp_path, monkeypatch
):
    data = scenes.write_coco(tmp_path / "data")
    file = data / "train2017/instances.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] == 2]
    file.write_text(json.dumps(document), encoding="utf-8")
    trained_on = []
    monkeypatch.setattr(
        detection,
        "training_samples",
        lambda options, dataset, transform: trained_on.append(dataset),
    )
    monkeypatch.setattr(detection, "train_network", lambda *given, **how: {})
    detection.fit(options(data, tmp_path / "run", dataset="coco", include_empty=include_empty))
    [dataset] = trained_on
    assert len(dataset) == (3 if include_empty else 1)
    assert dataset[1 if include_empty else 0][1]["image_id"] == 2


def test_other_classes_are_refused(tmp_path):
    data = scenes.write_coco(tmp_path / "data", 1)
    document = scenes.instances_json(1, scenes.CATEGORIES[:1])
    document["annotations"] = document["annotations"][:1]
    (data / "val2017/instances.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match="the classes of val differ"):
        detection.fit(options(data, tmp_path / "run", dataset="coco"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--dataset", "kitti"], "dataset must be one of pennfudan, coco, voc, yolo, got 'kitti'"),
        (
            ["--model", "yolo"],
            "model must be one of faster_rcnn, mask_rcnn, fcos, retinanet, got 'yolo'",
        ),
        (["--upsampler", "magic"], "magic"),
        (["--model_options", "{wdth: 3}"], "mask_rcnn has no option wdth"),
        (["--config", "none"], "config must be a file or one of "),
    ],
)
def test_what_there_is_not_is_named_in_one_line(given, message, data, tmp_path, capsys):
    words = [
        f"--data={data}", f"--out={tmp_path / 'run'}", "--pretrained=false", "--steps=1",
        "--batch_size=1", "--backbone=resnet10t", "--min_size=[64]", "--max_size=80",
    ]  # fmt: skip
    assert cli.main(["fit", "detection", *words, *given]) == 1
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said


def test_the_command_prints_what_validate_prints(data, tmp_path, capsys):
    words = [
        f"--data={data}", f"--out={tmp_path / 'run'}", "--config=pennfudan_mask_rcnn_small",
        "--steps=1", "--batch_size=1", "--backbone=resnet10t", "--pretrained=false",
        "--val_limit=1", "--min_size=[64]", "--max_size=80",
        f"--model_options={json.dumps(TINY)}", "--warmup_steps=0",
        "--model=faster_rcnn", "--device=cpu",
    ]  # fmt: skip
    lines = []
    for command in ("fit", "validate"):
        assert cli.main([command, "detection", *words]) == 0
        lines.append([s for s in capsys.readouterr().out.splitlines() if s.startswith("box_ap")])
    assert lines[0] == lines[1]
    assert len(lines[0]) == 2
