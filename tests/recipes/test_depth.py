"""Depth: both ways of learning take their steps, go on where they stopped, and come back."""

import json
from dataclasses import replace

import pytest
import torch

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes.tiny_depth import (
    TINY_OPTIONS,
    H,
    W,
    states_equal,
    write_kitti,
    write_kitti_depth,
    write_nyuv2,
    write_posed_rgbd,
)
from unstride.cli.fit import config_names, parse_recipe_options
from unstride.cli.main import main
from unstride.datasets.frame_triplets import FrameTriplets
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.models.task_network import create_task_network, read_task
from unstride.recipes import depth
from unstride.recipes.depth import Options
from unstride.transforms.augment import colour_jitter
from unstride.transforms.frame_triplets import add_augmented_frames

LEARNING = {
    "supervised": {"model": "supervised", "crop_size": (20, 28)},
    "video": {"model": "monodepth", "strides": (2, 4, 8)},
    "known motion": {"model": "monodepth", "strides": (2, 4, 8), "known_poses": True},
}


@pytest.fixture
def room(tmp_path):
    return write_posed_rgbd(tmp_path / "kitchen")


def options_of(kind, room, out, **other):
    return Options(data=room, out=out, **{**TINY_OPTIONS, **LEARNING[kind], **other})


def curve(out):
    return json.loads((out / "card.json").read_text(encoding="utf-8"))["curve"]


@pytest.mark.parametrize("kind", LEARNING)
def test_two_steps_move_every_parameter_and_leave_a_folder_that_scores_the_same(
    kind, room, tmp_path
):
    options = options_of(kind, room, tmp_path / "out", weight_decay=0.0, learning_rate=0.01)
    scores = depth.fit(options)
    assert all(torch.isfinite(torch.tensor(value)) for value in scores.values())
    assert list(scores) == ["abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3"]
    assert [step for step, _ in curve(options.out)] == [0, 1]

    network, config = read_task(options.out / "model")
    torch.manual_seed(options.seed)
    start = create_task_network(config).state_dict()
    unused = "pose." if kind == "known motion" else "none"
    still = [n for n, p in network.named_parameters() if torch.equal(p, start[n])]
    assert [n for n in still if not n.startswith(unused)] == []

    assert depth.validate(options) == pytest.approx(scores, abs=1e-6)
    assert json.loads((options.out / "val.json").read_text(encoding="utf-8")) == pytest.approx(
        scores, abs=1e-6
    )


def test_the_folder_gives_the_outputs_that_were_trained(room, tmp_path, monkeypatch):
    networks = []

    class Recorded(depth.SupervisedDepth):
        def __init__(self, network, options):
            networks.append(network)
            super().__init__(network, options)

    monkeypatch.setattr(depth, "learner_class", lambda options: Recorded)
    options = options_of(
        "supervised", room, tmp_path / "out", upsampler="dysample", near=0.5, far=7
    )
    depth.fit(options)
    network, config = read_task(options.out / "model")
    assert config["options"] == {"near": 0.5, "far": 7, "width": 8}
    assert config["upsampler"] == "dysample"
    image = torch.rand(1, 3, H, W)
    with torch.no_grad():
        found = network(image)
        assert torch.equal(found, networks[0].eval()(image))
    assert ((found > 0.5) & (found < 7)).all()


@pytest.mark.parametrize("kind", LEARNING)
def test_a_run_that_was_killed_goes_on_to_the_same_curve(kind, room, tmp_path, monkeypatch):
    whole = options_of(kind, room, tmp_path / "whole", steps=3, val_every=3)
    depth.fit(whole)
    killed = replace(whole, out=tmp_path / "killed")
    step = depth.SupervisedDepth.training_step

    def fails(self, batch, index):
        if self.global_step == 2:
            raise RuntimeError("killed")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(depth.SupervisedDepth, "training_step", fails)
        with pytest.raises(RuntimeError, match="killed"):
            depth.fit(killed)
    assert not (killed.out / "model").exists()
    depth.fit(killed)
    assert curve(killed.out) == curve(whole.out)
    assert len(curve(whole.out)) == 3
    one, other = (read_task(o.out / "model")[0].state_dict() for o in (whole, killed))
    assert states_equal(one, other)
    depth.fit(replace(whole, out=tmp_path / "other", seed=1))
    assert curve(tmp_path / "other") != curve(whole.out)


def test_kitti_is_scored_by_what_is_seen(tmp_path):
    options = options_of(
        "video", write_kitti(tmp_path / "kitti"), tmp_path / "out", dataset="kitti"
    )
    scores = depth.fit(options)
    assert list(scores) == ["photometric"]
    assert 0 < scores["photometric"] < 1
    assert depth.validate(options) == pytest.approx(scores, abs=1e-9)


def test_nyuv2_is_scored_on_its_test_split(tmp_path):
    options = options_of(
        "supervised", write_nyuv2(tmp_path / "nyuv2"), tmp_path / "out", dataset="nyuv2"
    )
    scores = depth.fit(options)
    assert depth.validate(options, "test") == pytest.approx(scores, abs=1e-6)
    assert depth.val_dataset(options, "val").dataset.split == "test"


@pytest.mark.parametrize("kind", ["supervised", "video"])
def test_kitti_with_depth_is_scored_by_it_on_the_split_that_is_asked_for(kind, tmp_path):
    options = options_of(
        kind, write_kitti_depth(tmp_path / "kitti"), tmp_path / "out", dataset="kitti_depth",
        eval_depth_range=(0.001, 80.0), eval_crop="garg",
    )  # fmt: skip
    scores = depth.fit(options)
    assert all(torch.isfinite(torch.tensor(value)) for value in scores.values())
    assert depth.validate(options) == pytest.approx(scores, abs=1e-6)
    assert depth.validate(options, "test") != pytest.approx(scores, abs=1e-6)
    assert depth.validate(replace(options, eval_crop=None)) != pytest.approx(scores, abs=1e-6)
    drive, taught = "2011_09_26_drive_000{}_sync", depth.train_dataset(options).names
    assert {name.split("/")[0] for name in taught} == {drive.format(1)}
    assert len(taught) == 3
    for split, number, length in (("val", 2, 3), ("test", 3, 1)):
        names = depth.val_dataset(options, split).dataset.names
        assert {name.split("/")[0] for name in names} == {drive.format(number)}
        assert len(names) == length


def test_the_scale_is_aligned_only_where_nobody_knows_it(room, tmp_path):
    for kind, expected in (("supervised", "none"), ("video", "median"), ("known motion", "none")):
        options = options_of(kind, room, tmp_path, freeze_norms=False)
        learner = depth.learner_class(options)(torch.nn.Module(), options)
        assert learner.depth_errors.alignment == expected
    options = replace(options, alignment="median", eval_depth_range=(0.1, 5.0))
    errors = depth.SupervisedDepth(torch.nn.Module(), options).depth_errors
    assert (errors.alignment, errors.caps) == ("median", (0.1, 5.0))


def test_scores_are_taken_at_the_size_of_the_labels(room, tmp_path):
    options = options_of("supervised", room, tmp_path, size=(12, 16), freeze_norms=False)
    image, truth = depth.val_dataset(options, "val")[0]
    assert image.shape == (3, 12, 16)
    assert truth.shape == (H, W)

    class TwoMetres(torch.nn.Module):
        def forward(self, images):
            return torch.full((1, *images.shape[2:]), 2.0)

    learner = depth.SupervisedDepth(TwoMetres(), options)
    learner.validation_step((image[None], truth[None]), 0)
    known = truth > 0
    expected = ((2 - truth[known]).abs() / truth[known]).mean()
    abs_rel = learner.depth_errors.compute()["abs_rel"]
    assert abs_rel.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_batch_without_depth_teaches_nothing(room, tmp_path):
    options = options_of("supervised", room, tmp_path)
    learner = depth.SupervisedDepth(create_task_network(network_config(options)), options)
    loss = learner.losses((torch.rand(2, 3, H, W), torch.zeros(2, H, W)))["depth"]
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or (p.grad == 0).all() for p in learner.parameters())


def network_config(options):
    return {
        "task": "depth", "model": options.model, "backbone": "resnet18", "strides": [4, 8],
        "classes": [], "upsampler": None, "options": {"near": 0.3, "far": 10.0, "width": 8},
    }  # fmt: skip


def test_what_teaches_is_mirrored_with_its_camera(room, tmp_path):
    options = options_of("known motion", room, tmp_path, colour_jitter=0.0)
    sample = FrameTriplets(PosedRGBD(room, "train"), 1, (H, W))[0]
    assert "depth" in sample
    assert "depth" not in depth.train_dataset(options)[0]  # which would be read for nothing
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        moved = depth.create_transform(options)(sample)
        flipped = not torch.equal(moved["image"], sample["image"])
        seen.add(flipped)
        centre = moved["intrinsics"][0, 2]
        assert centre == (W - sample["intrinsics"][0, 2] if flipped else sample["intrinsics"][0, 2])
        assert moved["poses"][0, 0, 3] == (-1 if flipped else 1) * sample["poses"][0, 0, 3]
    assert seen == {True, False}
    still = depth.create_transform(replace(options, horizontal_flip=False))
    assert all(torch.equal(still(sample)["image"], sample["image"]) for _ in range(6))


def test_networks_see_other_colours_than_those_that_are_compared(room):
    sample = FrameTriplets(PosedRGBD(room, "train"), 1, (H, W))[0]
    jitter = colour_jitter(0.5)
    moved = add_augmented_frames(sample, jitter)
    assert torch.equal(moved["image"], sample["image"])
    assert torch.equal(moved["sources"], sample["sources"])
    assert not torch.equal(moved["augmented_frames"][1], sample["image"])
    twins = {"image": sample["image"], "sources": sample["image"].expand(2, -1, -1, -1)}
    before, here, after = add_augmented_frames(twins, jitter)["augmented_frames"]
    torch.testing.assert_close(before, here)
    torch.testing.assert_close(after, here)


@pytest.mark.parametrize("model", ["supervised", "monodepth"])
def test_colours_change_as_the_options_say(model, room, tmp_path):
    options = options_of(
        "supervised", room, tmp_path, model=model, crop_size=None, colour_jitter=0.0, hue_jitter=0.1
    )
    for share in (0.0, 1.0):
        changes = {"colour_jitter_probability": share, "horizontal_flip": False}
        transform = depth.create_transform(replace(options, **changes))
        if model == "monodepth":
            sample = FrameTriplets(PosedRGBD(room, "train"), 1, (H, W))[0]
            image, moved = sample["image"], transform(sample)["augmented_frames"][1]
        else:
            image = torch.rand(3, H, W)
            moved = transform(image, torch.ones(H, W))[0]
        assert torch.allclose(moved, image, atol=1e-3) == (share == 0)


def test_depth_is_mirrored_and_cropped_with_its_photograph(room, tmp_path):
    options = options_of("supervised", room, tmp_path, crop_size=(20, 28), colour_jitter=0.0)
    ramp = torch.arange(H * W).float().view(H, W) + 1
    image = (ramp / ramp.max()).expand(3, H, W)
    for seed in range(6):
        torch.manual_seed(seed)
        moved, found = depth.create_transform(options)(image, ramp)
        assert moved.shape == (3, 20, 28)
        torch.testing.assert_close(moved[0] * ramp.max(), found)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["--dataset", "voc"], "dataset must be one of posed_rgbd, nyuv2, kitti_depth, folder for "
         "model supervised, got 'voc'"),
        (["--model", "magic"], "model must be one of supervised, monodepth, got 'magic'"),
        (["--model", "monodepth", "--dataset", "nyuv2"], "for model monodepth, got 'nyuv2'"),
        (["--model", "monodepth", "--crop_size", "[8, 8]"], "which uses whole frames"),
        (["--crop_size", "[8, 999]"], "crop_size must be at most size (240, 320), got (8, 999)"),
        (["--model", "monodepth", "--dataset", "kitti_depth", "--known_poses", "true"],
         "known_poses must be false for dataset kitti_depth, which has no poses"),
        (["--eval_crop", "nyu"], "eval_crop must be one of garg, eigen, got 'nyu'"),
        (["--hue_jitter", "0.7"], "hue_jitter must be between 0 and 0.5, got 0.7"),
        (["--colour_jitter_probability", "2"],
         "colour_jitter_probability must be between 0 and 1, got 2.0"),
        (["--near", "5", "--far", "2"], "near must be below far=2.0, got 5.0"),
        (["--upsampler", "magic"], "magic"),
    ],
)  # fmt: skip
def test_what_there_is_not_is_said_in_one_line(chosen, message, room, tmp_path, capsys):
    common = ["--data", str(room), "--out", str(tmp_path / "out"), "--backbone", "resnet18"]
    assert main(["fit", "depth", *common, "--pretrained", "false", *chosen]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]


def test_every_config_of_depth_and_of_several_tasks_is_understood(tmp_path):
    recipes = {"depth": "depth", "monodepth": "depth", "multitask": "multitask"}
    found = {}
    for name in config_names():
        kind = next((word for word in name.split("_") if word in recipes), None)
        if kind:
            words = ["--config", name, "--data", str(tmp_path)]
            found[name] = parse_recipe_options("fit", recipes[kind], words)["options"]
            assert str(found[name].out) == f"runs/{name}"
    assert len(found) == 8
    assert found["kitti_depth"].eval_crop == "garg"
    assert found["kitti_eigen_monodepth"].eval_depth_range == (0.001, 80.0)
    assert found["kitti_monodepth"].size == (192, 640)
    assert found["redkitchen_monodepth_small"].known_poses
    assert found["nyuv2_multitask"].tasks == ("segmentation", "depth", "normals")
