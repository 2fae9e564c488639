"""What the task recipes share: learning rates, parameter groups, options, configs by name."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")

from tests.models.tiny_pyramid import TinyPyramid
from unstride.backbones.pyramid import create_pyramid
from unstride.cli import fit as cli_fit
from unstride.cli.main import RECIPES_BY_COMMAND, main
from unstride.models.segmentation.semantic_fpn import SemanticFPN
from unstride.recipes import detection, segmentation
from unstride.training.lr_schedule import lr_factor
from unstride.training.options import TaskOptions
from unstride.training.task_learner import TaskLearner
from unstride.upsamplers.by_name import create_upsampler

BASE = TaskOptions(data=Path(), steps=100)


@pytest.mark.parametrize(
    ("lr_schedule", "step", "expected"),
    [
        ("poly", 0, 1.0), ("poly", 50, 0.5**0.9), ("poly", 100, 0.0), ("cosine", 0, 1.0),
        ("cosine", 50, 0.5), ("cosine", 100, 0.0), ("multistep", 66, 1.0),
        ("multistep", 67, 0.1), ("multistep", 89, 0.01), ("constant", 99, 1.0),
    ],
)  # fmt: skip
def test_the_rate_falls_as_its_schedule_says(lr_schedule, step, expected):
    assert lr_factor(step, replace(BASE, lr_schedule=lr_schedule)) == pytest.approx(
        expected, abs=1e-6
    )


def test_the_rate_rises_first():
    options = replace(BASE, lr_schedule="constant", warmup_steps=10)
    assert [lr_factor(step, options) for step in (0, 5, 10, 50)] == pytest.approx(
        [0.001, 0.501, 1, 1]
    )


def test_what_is_put_on_a_plain_transformer_learns_as_the_rest():
    index = partial(create_upsampler, "index")
    pyramid = create_pyramid("test_vit", pretrained=False, upsampler=index)
    network = SemanticFPN(pyramid, 3, width=8, branch_width=8)
    learner = TaskLearner(network, replace(BASE, learning_rate=0.5, freeze=("blocks.0",)))
    [created], _ = learner.configure_optimizers()
    slow = {id(p) for group in created.param_groups if group["lr"] < 0.4 for p in group["params"]}
    assert slow == {id(p) for p in pyramid.model.parameters() if p.requires_grad}
    norms = [part for part in pyramid.neck.modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms
    assert all(norm.training for norm in norms)
    frozen = {n for n, p in pyramid.named_parameters() if not p.requires_grad}
    assert frozen == {f"model.blocks.0.{n}" for n, _ in pyramid.model.blocks[0].named_parameters()}


@pytest.mark.parametrize(("optimizer", "kind"), [("sgd", "SGD"), ("adamw", "AdamW")])
def test_the_backbone_has_a_rate_of_its_own_and_vectors_do_not_decay(optimizer, kind):
    options = replace(BASE, optimizer=optimizer, learning_rate=0.5, weight_decay=0.25)
    network = SemanticFPN(TinyPyramid(), 3, width=8, branch_width=8)
    [created], [schedule] = TaskLearner(network, options).configure_optimizers()
    assert type(created).__name__ == kind
    assert schedule["interval"] == "step"
    names = {id(p): name for name, p in network.named_parameters()}
    trained = set()
    for group in created.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            trained.add(name)
            in_backbone = name.startswith("pyramid.")
            assert group["initial_lr"] == pytest.approx(0.05 if in_backbone else 0.5)
            assert group["weight_decay"] == (0.25 if parameter.ndim > 1 else 0.0)
    assert trained == set(names.values())
    assert all(group.get("momentum", 0.9) == 0.9 for group in created.param_groups)


class ResNetLike(nn.Module):
    """A backbone whose layers have the names of a ResNet's."""

    def __init__(self):
        super().__init__()
        body = {"conv1": nn.Conv2d(3, 4, 1), "bn1": nn.BatchNorm2d(4), "layer1": nn.Sequential()}
        body["layer1"].append(
            nn.ModuleDict({"conv1": nn.Conv2d(4, 4, 1), "bn1": nn.BatchNorm2d(4)})
        )
        self.pyramid = nn.ModuleDict({"model": nn.ModuleDict(body)})


@pytest.mark.parametrize("norms", [True, False])
def test_frozen_parts_have_no_gradient_and_keep_their_statistics(norms):
    network = ResNetLike()
    learner = TaskLearner(network, replace(BASE, freeze=("conv1", "bn1"), freeze_norms=norms))
    learning = [n for n, p in network.named_parameters() if p.requires_grad]
    inner = "pyramid.model.layer1.0"
    assert learning == [
        f"{inner}.{n}" for n in ("conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias")
    ]
    training = {
        n for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d) and m.training
    }
    assert training == (set() if norms else {f"{inner}.bn1"})
    [created], _ = learner.configure_optimizers()
    assert sum(len(group["params"]) for group in created.param_groups) == 4


def test_a_part_that_the_backbone_lacks_is_named_with_those_it_has():
    with pytest.raises(
        ValueError,
        match=r"freeze must name layers of the backbone \(conv1, bn1, layer1\), got 'stem'",
    ):
        TaskLearner(ResNetLike(), replace(BASE, freeze=("stem",)))


def test_a_part_may_lie_deeper():
    network = ResNetLike()
    TaskLearner(network, replace(BASE, freeze=("layer1.0",)))
    frozen = {n.rpartition(".")[0] for n, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {f"pyramid.model.layer1.0.{n}" for n in ("conv1", "bn1")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", -1),
        ("val_limit", 0),
        ("patience", 0),
        ("seed", -1),
        ("devices", 0),
    ],
)
def test_what_no_run_could_be_made_with_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be (at least|between) \d.*, got {value}"):
        replace(BASE, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("crop_size", (0, 32), r"\(height, width\) in pixels"),
        ("base_size", (32, -1), r"\(height, width\) in pixels"),
        ("scale_range", (2.0, 1.0), "a minimum and a maximum above 0"),
        ("scale_range", (0.0, 1.0), "a minimum and a maximum above 0"),
        ("colour_jitter", -0.1, "between 0 and 1"),
        ("colour_jitter", 1.5, "between 0 and 1"),
    ],
)
def test_impossible_sizes_ranges_and_fractions_are_refused(name, value, message):
    with pytest.raises(ValueError, match=rf"{name} must be {message}.*, got"):
        segmentation.Options(data=Path("x"), **{name: value})


def test_no_sizes_are_refused():
    with pytest.raises(ValueError, match=r"min_size must have at least one value, got \(\)"):
        detection.Options(data=Path("x"), min_size=())


def test_what_a_loaders_process_met_is_one_sentence():
    with pytest.raises(ValueError, match="Caught") as met:
        next(iter(DataLoader([0], collate_fn=refuse, num_workers=1)))
    assert cli_fit.error_message(met.value) == "a.png: damaged (it ends too early)"
    assert cli_fit.error_message(OSError("a.png: no such file")) == "a.png: no such file"


def refuse(items):
    raise ValueError("a.png: damaged (it ends too early)")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError(), "ValueError"),
        (ValueError("one\ntwo: three"), "one"),
        (OSError("\n"), "OSError"),
        (OSError("Caught in the rain"), "Caught in the rain"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("workers", [0, 1])
def test_every_error_is_one_line(error, expected, workers):
    def refuse(items):
        try:
            raise KeyError("first")
        except KeyError:
            raise error  # noqa: B904 - the traceback tells of both

    with pytest.raises(type(error)) as met:
        next(iter(DataLoader([0], collate_fn=refuse, num_workers=workers)))
    assert cli_fit.error_message(met.value) == expected


def test_every_config_is_one_of_a_recipe():
    for name in cli_fit.config_names():
        text = (cli_fit.CONFIG_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
        recipe = text.splitlines()[0].partition("unstride fit ")[2].split()[0]
        assert recipe in RECIPES_BY_COMMAND["fit"], name
        words = ["--config", name, *required(recipe)]
        assert cli_fit.parse_recipe_options("fit", recipe, words), name


def test_the_first_line_of_a_config_is_a_command():
    for name in cli_fit.config_names():
        line = (cli_fit.CONFIG_FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        _, _, _, recipe, *words = line.split()
        assert cli_fit.parse_recipe_options("fit", recipe, words), line


def required(recipe):
    photographs = ["--images", "[]"]
    special = {"featup": photographs, "inpainting": photographs, "affinity": ["--bsds", "x"]}
    return special.get(recipe, ["--data", "x"])


def test_a_config_that_is_not_there_is_named(capsys):
    assert main(["fit", "segmentation", "--config", "nix", "--data", "x"]) == 1
    assert "config must be a file or one of " in capsys.readouterr().err


def test_what_cannot_be_validated_says_so(capsys):
    assert main(["validate", "featup"]) == 2
    assert "featup does not support validate" in capsys.readouterr().err


def test_a_wrong_option_is_one_line(capsys):
    words = ["--data", "nowhere", "--model", "upernet"]
    assert main(["fit", "segmentation", "--config", "camvid_semantic_fpn_small", *words]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("unstride fit segmentation: nowhere: no such folder")
    assert "\n" not in error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--config", "pennfudan_mask_rcnn_small"),
            "config: segmentation has no option min_size",
        ),
        (("--min_size", "3"), "unrecognized arguments: --min_size 3"),
        (("--steps", "abc"), "--steps: Expected"),
        (("--crop_size", "96"), "--crop-size: Expected"),
        ((), "the following arguments are required: data"),
    ],
)
def test_an_option_that_is_not_one_is_one_line_too(words, told, capsys):
    assert main(["fit", "segmentation", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"unstride fit segmentation: {told}")
    assert error.endswith("(use --help to list all options)")
    assert "\n" not in error


def test_help_tells_of_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "segmentation", "--help"])
    told = capsys.readouterr().out
    assert "Train a network for semantic segmentation." in told
    for name in ("--upsampler", "--crop-size", "--patience", "--config"):
        assert name in told


class RandomLoss(TaskLearner):
    """Two losses: the batch itself, and a random number."""

    def losses(self, batch):
        """The batch and a random number."""
        return {"batch": batch, "random": torch.rand(())}


def test_what_is_minimised_is_the_sum_of_all_losses_drawn_anew_in_each_step(monkeypatch):
    pyramid = TinyPyramid()
    learner = RandomLoss(SemanticFPN(pyramid, 2, width=8, branch_width=8), BASE)
    monkeypatch.setattr(learner, "log", lambda *_, **__: None)
    monkeypatch.setattr(learner, "log_dict", lambda *_: None)
    drawn = {}
    for step, rank in [(0, 0), (0, 1), (1, 0), (1, 0)]:
        learner.trainer = SimpleNamespace(world_size=2, global_rank=rank, global_step=step)
        torch.rand(17)  # whatever was drawn before
        drawn[step, rank] = learner.training_step(torch.tensor(3.0), 0) - 3
        seeds = torch.Generator().manual_seed(BASE.seed * 1_000_003 + 2 * step + rank)
        torch.testing.assert_close(drawn[step, rank], torch.rand((), generator=seeds))
    assert len({float(value) for value in drawn.values()}) == 3
