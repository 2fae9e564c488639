"""The segmentation recipe: it learns, it goes on, what it leaves is what was measured."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes.tiny_camvid import write_camvid
from unstride.models.task_network import read_task
from unstride.recipes import depth, segmentation
from unstride.recipes.segmentation import Options, fit, validate

ROOT = Path(__file__).parents[2]
SMALL = {
    "backbone": "resnet18", "pretrained": False, "strides": (4, 8), "crop_size": (32, 32),
    "steps": 4, "base_size": (48, 64), "batch_size": 2, "device": "cpu", "save_every": 1,
    "model_options": {"width": 8, "branch_width": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_camvid(tmp_path_factory.mktemp("streets"))


def options(data, out, **other):
    return Options(data=data, out=out, **(SMALL | other))


def card(out):
    return json.loads((out / "card.json").read_text(encoding="utf-8"))


def test_it_learns_the_street(data, tmp_path):
    """Nearly all of it, and the car's outline, within forty steps from a random start."""
    changes = {
        "scale_range": (1.0, 1.0), "crop_size": (48, 64), "colour_jitter": 0.0,
        "freeze_norms": False, "steps": 40, "learning_rate": 0.01, "backbone_lr_factor": 1.0,
    }  # fmt: skip
    scores = fit(options(data, tmp_path, **changes))
    assert scores["miou"] > 90
    assert 60 < scores["boundary_miou"] < 100
    curve = [loss for _, loss in card(tmp_path)["curve"]]
    assert len(curve) == 40
    assert curve[-1] < 0.3 * curve[0]


def test_same_seed_same_curve_and_a_killed_run_goes_on_to_it(data, tmp_path, monkeypatch):
    fit(options(data, tmp_path / "whole"))
    fit(options(data, tmp_path / "other seed", seed=1))
    whole = card(tmp_path / "whole")
    assert card(tmp_path / "other seed")["curve"] != whole["curve"]
    real = segmentation.SegmentationLearner.losses

    def killed(self, batch):
        if self.global_step == 2:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(segmentation.SegmentationLearner, "losses", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(options(data, tmp_path / "stopped"))
    monkeypatch.setattr(segmentation.SegmentationLearner, "losses", real)
    fit(options(data, tmp_path / "stopped"))
    assert card(tmp_path / "stopped")["curve"] == whole["curve"]
    assert card(tmp_path / "stopped")["measured"] == whole["measured"]


def test_a_broken_checkpoint_is_named(data, tmp_path):
    fit(options(data, tmp_path, steps=1))
    (tmp_path / "last.ckpt").write_bytes((tmp_path / "last.ckpt").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"last.ckpt: damaged checkpoint; delete it to start over"):
        fit(options(data, tmp_path, steps=1))


def test_what_is_killed_while_it_measures_measures_again(data, tmp_path, monkeypatch):
    """At the same steps, for the patience to be counted alike; at the end once, not twice."""
    seen = []
    real = segmentation.SegmentationLearner.on_validation_epoch_end

    def watched(self):
        seen.append(self.global_step)
        if seen == [2]:
            raise KeyboardInterrupt
        real(self)

    monkeypatch.setattr(segmentation.SegmentationLearner, "on_validation_epoch_end", watched)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(options(data, tmp_path / "stopped", val_every=2))
    stopped = fit(options(data, tmp_path / "stopped", val_every=2))
    assert seen == [2, 2, 4]
    assert stopped == fit(options(data, tmp_path / "whole", val_every=2))
    assert seen == [2, 2, 4, 2, 4]
    assert fit(options(data, tmp_path / "whole", val_every=2)) == stopped
    assert card(tmp_path / "whole")["curve"] == card(tmp_path / "stopped")["curve"]


def test_what_is_killed_after_it_measured_does_not_measure_again(data, tmp_path, monkeypatch):
    seen, real = [], segmentation.SegmentationLearner

    class Watched(real):
        def on_validation_epoch_end(self):
            seen.append(self.global_step)
            super().on_validation_epoch_end()

        def losses(self, batch):
            if self.global_step == 2 and len(seen) == 1:
                raise KeyboardInterrupt
            return super().losses(batch)

    monkeypatch.setattr(segmentation, "SegmentationLearner", Watched)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(options(data, tmp_path, val_every=2))
    seen.append("killed")
    fit(options(data, tmp_path, val_every=2))
    assert seen == [2, "killed", 4]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0.5}, "learning_rate 0.001, got 0.5"),
        ({"upsampler": "bilinear"}, "upsampler None, got bilinear"),
        ({"seed": 3}, "seed 0, got 3"),
    ],
)
def test_a_run_goes_on_with_the_same_options_or_not_at_all(changed, message, data, tmp_path):
    fit(options(data, tmp_path, steps=1))
    before = (tmp_path / "model/model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=f"last.ckpt: was created with {message}"):
        fit(options(data, tmp_path, steps=1, **changed))
    fit(options(data, tmp_path, steps=1, val_limit=1, save_every=7))
    assert (tmp_path / "model/model.safetensors").read_bytes() == before


def test_every_run_leaves_a_checkpoint_of_its_end(data, tmp_path):
    fit(options(data, tmp_path, steps=2, save_every=50))
    saved = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert saved["global_step"] == 2


def test_best_weights_of_an_earlier_run_are_not_taken(data, tmp_path):
    fit(options(data, tmp_path / "a", steps=2, val_every=1, patience=5))
    (tmp_path / "b").mkdir()
    (tmp_path / "a/best.ckpt").rename(tmp_path / "b/best.ckpt")
    fit(options(data, tmp_path / "b", learning_rate=0.5, steps=3))
    fit(options(data, tmp_path / "c", learning_rate=0.5, steps=3))
    first, second = (load_file(tmp_path / f"{run}/model/model.safetensors") for run in "bc")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_loss_that_is_no_number_ends_the_run(data, tmp_path):
    with pytest.raises(ValueError, match=r"loss is (nan|inf) at step \d+: lower learning_rate"):
        fit(options(data, tmp_path, learning_rate=1e30, max_grad_norm=0.0))
    assert not (tmp_path / "model").exists()


def test_a_network_for_other_classes_or_another_task_is_not_scored(data, tmp_path):
    fit(options(data, tmp_path, steps=1))
    file = tmp_path / "model/config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | {"classes": config["classes"][::-1]}), encoding="utf-8")
    with pytest.raises(ValueError, match="the classes of val differ from those of the training"):
        validate(options(data, tmp_path))
    with pytest.raises(ValueError, match="expected a network for depth, got one for segmentation"):
        depth.validate(depth.Options(data=data, out=tmp_path))


def test_the_folder_holds_what_was_measured(data, tmp_path):
    scores = fit(options(data, tmp_path, upsampler="carafe:kernel_size=3"))
    network, config = read_task(tmp_path / "model")
    assert not any(part.training for part in network.modules())
    assert config["classes"][:4] == ["sky", "building", "pole", "road"]
    assert network.branch.chains[0][0].up.kernel_size == 3
    assert network.fpn.upsamplers[0].kernel_size == 3
    assert validate(options(data, tmp_path)) == pytest.approx(scores)
    validate(options(data, tmp_path), split="test")
    scores = json.loads((tmp_path / "test.json").read_text(encoding="utf-8"))
    assert set(scores) == {"miou", "boundary_miou"}


def test_frozen_norms_keep_their_statistics_and_all_else_moves(data, tmp_path):
    torch.manual_seed(0)
    fit(options(data, tmp_path / "none", steps=1, learning_rate=0.0))
    fit(options(data, tmp_path / "frozen"))
    fit(options(data, tmp_path / "free", freeze_norms=False))
    before, frozen, free = (
        load_file(tmp_path / name / "model" / "model.safetensors")
        for name in ("none", "frozen", "free")
    )
    still = {name for name in before if torch.equal(before[name], frozen[name])}
    statistics = {name for name in before if "running_" in name or "num_batches" in name}
    assert {name for name in statistics if "pyramid" in name} == still
    assert not any(torch.equal(before[name], free[name]) for name in statistics)


def test_auxiliary_logits_are_learned_too(data, tmp_path):
    changes = {"model": "hrnet_ocr", "model_options": {"width": 8, "key_width": 4}, "steps": 1}
    fit(options(data, tmp_path / "none", **changes, learning_rate=0.0))
    fit(options(data, tmp_path / "one", **changes))
    before, after = (
        load_file(tmp_path / name / "model" / "model.safetensors") for name in ("none", "one")
    )
    assert not torch.equal(before["head.rough.1.bias"], after["head.rough.1.bias"])


def test_training_stops_where_it_no_longer_gets_better(data, tmp_path):
    """Nothing is learned, so the second measurement is no better than the first: the last."""
    changes = {"steps": 9, "val_every": 2, "learning_rate": 0.0, "freeze_norms": True}
    fit(options(data, tmp_path, **changes, patience=1))
    assert len(card(tmp_path)["curve"]) == 4
    assert (tmp_path / "best.ckpt").is_file()


def test_the_best_weights_are_kept_where_they_are_looked_for(data, tmp_path, monkeypatch):
    """The scores are made to fall, so the weights of the first validation are kept."""
    scores = iter([3.0, 2.0, 1.0, 0.0])
    real = segmentation.SegmentationLearner.on_validation_epoch_end
    state = {}

    def log_falling_scores(self):
        state.setdefault(
            "first", {name: value.clone() for name, value in self.network.state_dict().items()}
        )
        score = next(scores)
        self.log("miou", score)
        self.log("boundary_miou", score)

    monkeypatch.setattr(
        segmentation.SegmentationLearner, "on_validation_epoch_end", log_falling_scores
    )
    fit(options(data, tmp_path, steps=6, val_every=2, patience=5))
    assert real is not log_falling_scores
    kept = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(kept[name], state["first"][name]) for name in kept)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dataset": "nix"}, "dataset must be one of camvid, .*, got 'nix'"),
        ({"model": "nix"}, "model must be one of semantic_fpn, .*, got 'nix'"),
        ({"model_options": {"nix": 1}}, "model semantic_fpn: .*nix"),
        ({"upsampler": "nix"}, "nix"),
        ({"model_options": {"upsampler": "carafe"}}, "must not contain upsampler"),
        ({"strides": (3,)}, "stride must be one of"),
        ({"data": Path("nowhere")}, "nowhere: no such folder"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_what_is_wrong_is_named(wrong, message, data, tmp_path):
    with pytest.raises((ValueError, OSError), match=message):
        fit(Options(**({"data": data, "out": tmp_path} | SMALL | wrong)))


def test_pixels_beyond_the_photograph_are_unlabelled_and_grey(data):
    chosen = Options(
        data=data, crop_size=(96, 96), base_size=(48, 64), scale_range=(1.0, 1.0), colour_jitter=0.0
    )
    transform = segmentation.create_transform(chosen)
    image, labels = transform(*segmentation.load_split(chosen, "train")[0])
    assert image.shape == (3, 96, 96)
    assert (image[:, labels == 255][:, -1] == 0.45).all()
    assert (labels != 255).sum() == 48 * 63
    assert type(image) is type(labels) is torch.Tensor


WHOLE_STEPS = {
    "backbone": "resnet18", "pretrained": False, "strides": (4, 8), "crop_size": (32, 32),
    "steps": 2, "model_options": {"width": 8, "branch_width": 8}, "device": "cpu",
    "optimizer": "sgd", "max_grad_norm": 0.0, "base_size": (48, 64), "scale_range": (1.0, 2.0),
}  # fmt: skip


def test_more_devices_than_photographs_to_measure_are_refused(data, tmp_path):
    with pytest.raises(
        ValueError, match="devices must be at most 1, one per validation image, got 2"
    ):
        fit(options(data, tmp_path, devices=2, val_limit=1))


def test_a_run_says_nothing_that_is_not_so(data, tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit(options(data, tmp_path, steps=1))
    said = [record.getMessage() for record in caplog.records]
    assert said
    assert not any("weights_only" in line or "Tip" in line for line in said)
