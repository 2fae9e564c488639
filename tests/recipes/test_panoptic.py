"""The recipe for panoptic networks: what it trains, what it leaves, and what it refuses."""

import dataclasses
import json

import pytest
import torch
from torch import nn

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes import tiny_coco as scenes
from unstride.cli import main as cli
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.datasets.instances import collate_instances
from unstride.formats.segments import Category
from unstride.models.task_network import create_task_network, read_task
from unstride.recipes import panoptic, panoptic_learner
from unstride.training import task_run as task
from unstride.transforms.augment import PADDING_GREY
from unstride.upsamplers.layers import LayerNorm2d

TINY = {
    "panoptic_fpn": {
        "width": 16, "branch_width": 16, "rpn_post_nms_top_n_train": 40,
        "rpn_pre_nms_top_n_train": 60, "rpn_post_nms_top_n_test": 20,
        "box_batch_size_per_image": 16, "merging": {"min_area": 1},
    },
    "panoptic_deeplab": {"width": 16, "merging": {"min_area": 1}},
}  # fmt: skip
NAMES = {f"{name}{part}" for name in ("pq", "sq", "rq") for part in ("", "_things", "_stuff")}
both = pytest.mark.parametrize("model", TINY)


@pytest.fixture
def data(tmp_path):
    return scenes.write_coco(tmp_path / "data")


def options(data, out, model, **changes):
    chosen = {
        "data": data, "out": out, "model": model, "backbone": "resnet10t", "pretrained": False,
        "model_options": TINY[model], "min_size": (64,), "max_size": 80, "crop_size": (48, 64),
        "strides": (4, 8, 16), "steps": 2, "batch_size": 2, "learning_rate": 1e-3,
        "backbone_lr_factor": 1.0, "weight_decay": 0.0, "max_grad_norm": 0.0, "save_every": 1,
        "val_limit": 1, "device": "cpu",
    }  # fmt: skip
    return panoptic.Options(**(chosen | changes))


def curve(out):
    return json.loads((out / "card.json").read_text(encoding="utf-8"))["curve"]


@both
def test_two_steps_move_every_parameter_and_the_folder_has_the_network(
    model, data, tmp_path, monkeypatch
):
    trained, real = [], task.write_task
    monkeypatch.setattr(task, "write_task", lambda *given: (trained.append(given[2]), real(*given)))
    chosen = options(data, tmp_path / "run", model, scale_range=(0.8, 1.2), upsampler="sapa")
    scores = panoptic.fit(chosen)
    after, config = read_task(tmp_path / "run/model")
    torch.manual_seed(0)
    before = create_task_network(config).state_dict()
    moved = {n for n, value in after.state_dict().items() if not torch.equal(value, before[n])}
    trainable = {n for n, p in after.named_parameters() if p.requires_grad}
    # Over one channel a norm gives zero: the true gradient of its weight is zero.
    unreached = {
        f"{name}.weight" for name, module in after.named_modules()
        if isinstance(module, LayerNorm2d) and module.weight.numel() == 1
    }  # fmt: skip
    assert trainable - unreached <= moved <= trainable
    assert all(0 < loss < 1e3 for _, loss in curve(tmp_path / "run"))
    assert scores.keys() == NAMES
    assert config["classes"] == ["person", "dog", "grass"]
    image = torch.rand(3, 64, 80)
    kind = panoptic_learner.learner_class(model)
    with torch.no_grad():
        (expected,) = kind(trained[0], chosen, config["classes"]).eval().segments([image])
        (found,) = kind(after, chosen, config["classes"]).eval().segments([image])
    assert torch.equal(expected[0], found[0])
    assert expected[1] == found[1]
    assert json.dumps(panoptic.validate(chosen)) == json.dumps(scores)  # NaN is not NaN
    assert (tmp_path / "run/val.json").exists()


@both
def test_same_seed_same_curve_and_a_killed_run_goes_on_to_it(model, data, tmp_path, monkeypatch):
    chosen = options(data, tmp_path / "whole", model, steps=3, scale_range=(0.8, 1.2))
    panoptic.fit(chosen)
    learner = panoptic_learner.learner_class(model)
    real = learner.training_step

    def killed(self, batch, index):
        if self.global_step == 2:
            raise KeyboardInterrupt("killed")
        return real(self, batch, index)

    stopped = dataclasses.replace(chosen, out=tmp_path / "stopped")
    monkeypatch.setattr(learner, "training_step", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        panoptic.fit(stopped)
    taken = []
    monkeypatch.setattr(
        learner,
        "training_step",
        lambda self, *batch: (taken.append(self.global_step), real(self, *batch))[1],
    )
    panoptic.fit(stopped)
    assert taken == [2]
    assert curve(tmp_path / "stopped") == curve(tmp_path / "whole")


class Truth(nn.Module):
    """A network that says what it was told."""

    def __init__(self, targets, classes):
        super().__init__()
        self.targets, self.classes = targets, classes

    def forward(self, images):
        return [{"ids": t["ids"][0], "segments": t["segments"]} for t in self.targets]

    def predict_segments(self, image):
        return [(t["ids"][0], t["segments"]) for t in self.targets]


@both
def test_scores_are_percents_of_things_and_stuff(model, data):
    dataset = COCOPanoptic(data, "val")
    images, targets = collate_instances([dataset[0]])
    classes = panoptic.PanopticClasses.from_categories(dataset.categories)
    without = dict(targets[0], ids=targets[0]["ids"].clone(), segments=targets[0]["segments"][:2])
    without["ids"][without["ids"] == 7] = 0
    for known, expected in ((targets, 100), ([without], 50)):
        chosen = options(data, data, model, freeze_norms=False)
        learner = panoptic_learner.learner_class(model)(
            Truth(known, classes), chosen, ["person", "dog", "grass"]
        )
        logged = {}
        learner.log = lambda name, value, logged=logged, **how: logged.update({name: float(value)})
        learner.validation_step((images, targets), 0)
        learner.on_validation_epoch_end()
        assert logged.keys() == NAMES
        assert logged["pq_things"] == expected
        assert logged["pq_stuff"] == 100


@both
def test_the_backbone_has_its_own_rate(model, data, tmp_path):
    chosen = options(data, tmp_path, model, backbone_lr_factor=0.1, learning_rate=0.02)
    config = {
        "task": "panoptic", "model": model, "backbone": "resnet10t", "strides": [4, 8, 16],
        "classes": ["a", "b"], "upsampler": None, "options": {"things": [1], "stuff": [2]},
    }  # fmt: skip
    learner = panoptic_learner.learner_class(model)(create_task_network(config), chosen, ["a", "b"])
    (optimizer,), _ = learner.configure_optimizers()
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    inner = {
        id(p) for m in learner.modules() if type(m).__name__ == "Pyramid" for p in m.parameters()
    }
    assert inner
    for parameter in learner.parameters():
        expected = 0.002 if id(parameter) in inner else 0.02
        assert rates[id(parameter)] == pytest.approx(expected)


def test_void_that_a_crop_adds_is_not_learned(data, tmp_path):
    dataset = COCOPanoptic(data, "train")
    classes = panoptic.PanopticClasses.from_categories(dataset.categories)
    for model, kind in panoptic_learner.LEARNERS.items():
        changes = {"scale_range": (0.5, 0.5), "crop_size": (64, 80), "horizontal_flip": False}
        chosen = options(data, tmp_path, model, **changes)
        image, target = panoptic.PanopticTransform(chosen, classes, kind)(*dataset[0])
        blank = (torch.as_tensor(image) == PADDING_GREY).all(0)
        assert blank.any()
        semantic = torch.as_tensor(target["semantic"]).view(64, 80)
        assert torch.equal(semantic == 255, blank)


def test_other_classes_are_refused(data, tmp_path):
    categories = [*scenes.CATEGORIES, Category(200, "rug", False)]
    scenes.write_coco(tmp_path / "more", 1, categories)
    (data / "val2017/panoptic.json").write_text(
        (tmp_path / "more/val2017/panoptic.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (data / "val2017/images/2.png").unlink(), (data / "val2017/images/3.png").unlink()
    with pytest.raises(ValueError, match="the classes of val differ"):
        panoptic.fit(options(data, tmp_path / "run", "panoptic_fpn"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--dataset", "voc"], "dataset must be one of coco_panoptic, got 'voc'"),
        (
            ["--model", "upsnet"],
            "model must be one of panoptic_fpn, panoptic_deeplab, got 'upsnet'",
        ),
        (["--model", "panoptic_deeplab", "--model_options", "{wdth: 3}"], "wdth"),
        (["--model_options", "{wdth: 3}"], "mask_rcnn has no option wdth"),
    ],
)
def test_what_there_is_not_is_named_in_one_line(given, message, data, tmp_path, capsys):
    words = [
        f"--data={data}", f"--out={tmp_path / 'run'}", "--pretrained=false", "--steps=1",
        "--batch_size=1", "--backbone=resnet10t", "--min_size=[64]", "--max_size=80",
    ]  # fmt: skip
    assert cli.main(["fit", "panoptic", *words, *given]) == 1
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said
