"""The pretraining recipes: they train, resume, write a backbone, and skip what cannot be read."""

import json
from dataclasses import replace
from importlib import import_module

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes.tiny_camvid import write_camvid
from unstride.backbones.pyramid import create_pyramid
from unstride.datasets.readable_images import ReadableImages
from unstride.evaluation.dense_probes import PROBES
from unstride.losses.pixel_matching import cells_of_boxes, matched_cells
from unstride.models.detection.detector import create_detector
from unstride.models.pretraining.neck_weights import load_neck_weights
from unstride.models.pretraining.network import PretrainingNetwork
from unstride.recipes import pixpro
from unstride.recipes.pixel_matching_learner import match_values
from unstride.recipes.pretraining import create_pretraining_network
from unstride.recipes.pretraining_learner import (
    PretrainingLearner,
    parameter_groups,
    target_spread,
)
from unstride.training.lr_schedule import with_warmup_cosine

METHODS = ("pixpro", "pixcontrast", "densecl", "byol")
TINY = {
    "backbone": "test_resnet", "size": (32, 32), "scale_range": (0.3, 1.0), "steps": 2,
    "batch_size": 4, "hidden_channels": 8, "out_channels": 6, "optimizer": "adamw",
    "warmup_steps": 0, "device": "cpu", "save_every": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs of several sizes and modes, in folders that mean nothing."""
    folder = tmp_path_factory.mktemp("photos")
    for i, (size, mode) in enumerate((((50, 40), "RGB"), ((33, 70), "L"), ((64, 64), "RGBA"))):
        path = folder / f"part {i}" / "photo.png"
        path.parent.mkdir()
        noise = Image.effect_noise((size[0] // 6, size[1] // 6), 120).convert("RGB")
        noise.resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)
    return folder


def options_of(method, photos, out, **changes):
    recipe = import_module(f"unstride.recipes.{method}")
    if method == "densecl":
        changes = {"queue_length": 16} | changes
    return recipe.Options(images=str(photos), out=out, **(TINY | changes))


def fit(options):
    import_module(type(options).__module__.removesuffix("_options")).fit(options)
    return json.loads((options.out / "card.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("method", METHODS)
def test_two_steps_move_the_backbone_and_leave_it_as_a_file(method, photos, tmp_path):
    options = options_of(method, photos, tmp_path / "out", learning_rate=0.01)
    card = fit(options)
    assert len(card["curve"]) == 2
    saved = load_file(options.out / "backbone.safetensors")
    start = create_pretraining_network(options).pyramid.model.state_dict()
    assert saved.keys() == start.keys()
    moved = [name for name in saved if not torch.equal(saved[name], start[name])]
    weights = {name for name in saved if saved[name].ndim == 4}
    assert weights <= set(moved)
    loaded = create_pyramid("test_resnet", [4, 32], weights=options.out / "backbone.safetensors")
    assert torch.equal(loaded.model.state_dict()[moved[0]], saved[moved[0]])


CHANGES = {
    "propagation off": {"propagation": False},
    "instance as in BYOL": {"instance_weight": 1.0},
    "instance as in SimCLR": {"instance_weight": 1.0, "instance_branch": "simclr"},
    "permuted": {"permuted": True},
    "the paper": {"strict": False, "loss_scale": 1.0, "empty_pairs": "exclude"},
    "an FPN": {"neck": "fpn", "size": (64, 64)},
    "an FPN and a head": {"neck": "head", "size": (64, 64)},
    "a finer stride": {"stride": 8},
    "a vision transformer": {"backbone": "test_vit", "size": (160, 160)},
    "moved views": {"rotation": 20.0, "elastic": 20.0},
    "lars": {"optimizer": "lars"},
    "half types": {"precision": "bf16-mixed"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_pixpro_in_many_ways(name, photos, tmp_path):
    card = fit(options_of("pixpro", photos, tmp_path, **CHANGES[name]))
    low = -4 if "instance_weight" not in CHANGES[name] else -8
    assert all(low <= loss <= 12 for _, loss in card["curve"])


def test_layers_beyond_the_stride_are_in_the_file_as_they_began(photos, tmp_path):
    options = options_of("pixpro", photos, tmp_path, stride=8, learning_rate=0.01)
    fit(options)
    path = tmp_path / "backbone.safetensors"
    start = create_pretraining_network(replace(options, stride=32)).pyramid.model.state_dict()
    saved = create_pyramid("test_resnet", weights=path).model.state_dict()
    deeper = [name for name in start if name.startswith(("layer3", "layer4"))]
    assert deeper
    assert all(torch.equal(saved[name], start[name]) for name in deeper)
    assert not torch.equal(saved["layer1.0.conv1.weight"], start["layer1.0.conv1.weight"])


@pytest.mark.parametrize("method", ["pixpro", "pixcontrast"])
def test_the_permuted_control_takes_the_matches_of_other_images(method, photos, tmp_path):
    runs = [
        fit(options_of(method, photos, tmp_path / str(permuted), permuted=permuted, stride=8))
        for permuted in (False, True)
    ]
    names = {"step", "matches_per_cell", "pairs_without_match", "target_spread"}
    for run in runs:
        [first] = run["monitors"]
        assert first["step"] == 0
        assert first.keys() - {"attention_entropy"} == names
    assert runs[0]["monitors"][0]["matches_per_cell"] != runs[1]["monitors"][0]["matches_per_cell"]
    assert runs[0]["monitors"][0]["target_spread"] == runs[1]["monitors"][0]["target_spread"]


@pytest.mark.parametrize("method", ["pixpro", "densecl"])
def test_a_killed_run_goes_on_to_the_same_curve(method, photos, tmp_path, monkeypatch):
    changes = {"instance_weight": 1.0} if method == "pixpro" else {}
    whole = options_of(method, photos, tmp_path / "whole", steps=4, **changes)
    stopped = replace(whole, out=tmp_path / "stopped")
    expected = fit(whole)
    real = PretrainingLearner.project

    def killed(self, batch):
        if self.global_step == 2:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(PretrainingLearner, "project", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(stopped)
    monkeypatch.setattr(PretrainingLearner, "project", real)
    card = fit(stopped)
    assert card["curve"] == expected["curve"]
    assert card["monitors"] == expected["monitors"]
    files = [load_file(o.out / "backbone.safetensors") for o in (whole, stopped)]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])


def test_colours_on_the_device_change_nothing(photos, tmp_path):
    runs = [
        fit(options_of("pixpro", photos, tmp_path / str(there), colour_on_device=there))
        for there in (False, True)
    ]
    assert runs[0]["curve"] == runs[1]["curve"]


def test_a_detector_starts_from_a_pretrained_neck(photos, tmp_path):
    options = options_of("pixpro", photos, tmp_path, neck="head", neck_width=64, size=(64, 64))
    fit(options)
    pyramid = create_pyramid("test_resnet", (8, 16, 32), pretrained=False)
    fcos = create_detector("fcos", pyramid, 1, width=64)
    load_neck_weights(fcos, tmp_path / "neck.safetensors")
    saved = load_file(tmp_path / "neck.safetensors")
    assert torch.equal(fcos.backbone.fpn.inner_blocks[1][0].weight, saved["inner.16.weight"])
    with pytest.raises(
        ValueError, match="neck_width must be a multiple of 32 for the head, got 40"
    ):
        options_of("pixpro", photos, tmp_path, neck="head", neck_width=40)


def test_the_target_follows_once_a_step_however_many_batches_it_has(photos, tmp_path):
    options = options_of("pixpro", photos, tmp_path, accumulate=3)
    fit(options)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert state["target.step"] == 2
    assert len(json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["curve"]) == 6


def test_the_target_gets_no_gradient_and_begins_as_a_copy(photos, tmp_path):
    options = options_of("pixpro", photos, tmp_path)
    learner = pixpro.PixProLearner(create_pretraining_network(options), options)
    pairs = zip(learner.online.parameters(), learner.target.parameters(), strict=True)
    for own, target in pairs:
        assert torch.equal(own, target)
        assert own.requires_grad
        assert not target.requires_grad
    grouped = [p for group in parameter_groups(learner, 0.1) for p in group["params"]]
    assert len(grouped) == sum(p.requires_grad for p in learner.parameters())


def test_probes_are_scored_while_it_trains_and_change_nothing(photos, tmp_path):
    streets = write_camvid(tmp_path / "streets")
    plain = options_of("pixpro", photos, tmp_path / "plain", steps=3)
    probed = replace(plain, out=tmp_path / "probed", probe_data=streets, probe_every=2)
    card = fit(probed)
    assert [scores["step"] for scores in card["probes"]] == [2, 3]
    assert all(0 <= scores[name] <= 100 for scores in card["probes"] for name in PROBES)
    assert card["curve"] == fit(plain)["curve"]


def test_one_dimensional_parameters_have_no_decay():
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3))
    decayed, free = parameter_groups(module, 0.1)
    assert [tuple(p.shape) for p in decayed["params"]] == [(3, 2, 1, 1)]
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in free["params"]] == [(3,)] * 3


def test_the_rate_warms_up_and_falls_to_zero():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], 2.0)
    _, [schedule] = with_warmup_cosine(optimizer, 10, 4)
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    assert rates[0] == pytest.approx(0.02)
    assert rates[2] == pytest.approx(2 * (0.01 + 0.99 / 2))
    assert rates[4] == pytest.approx(2.0)
    assert rates[7] == pytest.approx(1.0)
    assert rates[10] == pytest.approx(0.0, abs=1e-9)


def test_the_rate_of_lars_grows_with_the_images_of_a_step(tmp_path):
    lars = options_of("pixpro", tmp_path, tmp_path, optimizer="lars", batch_size=64, accumulate=2)
    assert lars.scaled_learning_rate == pytest.approx(0.5)
    assert replace(lars, devices=4).scaled_learning_rate == pytest.approx(2.0)
    assert replace(lars, learning_rate=0.2).scaled_learning_rate == pytest.approx(0.1)
    assert replace(lars, optimizer="adamw").scaled_learning_rate == pytest.approx(1e-3)


def test_the_monitors_know_collapse_and_matches():
    assert target_spread(torch.ones(4, 8, 3, 3)) == pytest.approx(0, abs=1e-6)
    spread = target_spread(torch.randn(64, 32, 4, 4))
    assert spread == pytest.approx(1, abs=0.05)
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.2, 0.2]])
    far = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.7, 0.7, 1.0, 1.0]])
    is_match = matched_cells(cells_of_boxes(boxes, (4, 4)), cells_of_boxes(far, (4, 4)))
    values = match_values(is_match)
    assert values["matches_per_cell"] == pytest.approx(0.5)
    assert values["pairs_without_match"] == pytest.approx(0.5)


def test_files_that_cannot_be_read_are_named_and_skipped(photos, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no image")
    good = next(photos.rglob("*.png"))
    dataset = ReadableImages([broken, good])
    with pytest.warns(UserWarning, match=r"skipped: .*broken\.png"):
        image = dataset[0]
    assert torch.equal(image, dataset[1])
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(ValueError, match="got none of 1"),
    ):
        ReadableImages([broken])[0]
    with pytest.raises(ValueError, match="at least one file, got none"):
        ReadableImages([])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale_range": (0.5, 2.0)}, "scale_range must end at 1 at most, got 2.0"),
        ({"momentum": 1.5}, "momentum must be between 0 and 1, got 1.5"),
        ({"propagation_layers": 3}, "propagation_layers must be between 0 and 2, got 3"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
        ({"hidden_channels": 0}, "hidden_channels must be at least 1, got 0"),
        ({"size": (0, 32)}, "size must be .*pixels, both at least 1, got"),
    ],
)
def test_impossible_options_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        options_of("pixpro", tmp_path, tmp_path, **changes)


def test_views_that_cells_do_not_fit_are_refused(photos, tmp_path):
    options = options_of("pixpro", photos, tmp_path, size=(40, 32))
    with pytest.raises(ValueError, match=r"size must be multiples of 32 pixels .*, got 40x32"):
        create_pretraining_network(options)


def test_regeneration_is_refused(photos, tmp_path):
    with pytest.raises(ValueError, match="regenerate needs a prediction for every pixel"):
        fit(options_of("pixpro", photos, tmp_path, regenerate="band_stop"))


def test_levels_share_the_projector(photos, tmp_path):
    options = options_of("pixpro", photos, tmp_path, neck="head")
    network = create_pretraining_network(options)
    assert isinstance(network, PretrainingNetwork)
    projections = network(torch.rand(2, 3, 64, 64))
    assert sorted(projections.cells) == [8, 16, 32]
    assert projections.image is None
    assert {cells.shape[1] for cells in projections.cells.values()} == {6}
