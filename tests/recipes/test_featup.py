"""FeatUp's recipe: views move image and features alike, it learns, and a killed run goes on."""

import json

import pytest
import torch
from PIL import Image

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from unstride.data import views
from unstride.recipes import featup


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(4):
        noise = Image.effect_noise((8 + i, 8), 120).convert("RGB")
        noise.resize((140, 128), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def fit(photos, out, **options):
    options = {"steps": 2, "batch_size": 2, "views": 1, "crop": 128, "projection": 8} | options
    featup.fit([str(photos)], out, device="cpu", **options)
    return json.loads((out / "card.json").read_text())


def test_a_view_is_one_coordinate_map_for_any_resolution():
    """A ramp of coordinates, seen through a view, says where each pixel of the view looks."""
    view = views.random_view(3, (1.2, 3), torch.Generator().manual_seed(0))
    left, top, side, flip = view.unbind(1)
    for resolution in (64, 256):
        steps = (torch.arange(resolution) + 0.5) / resolution
        ramp = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).expand(3, -1, -1, -1)
        seen = views.through(view, ramp, 32)
        steps = (torch.arange(32) + 0.5) / 32
        for i in range(3):
            across = steps.flip(0) if flip[i] else steps
            torch.testing.assert_close(
                seen[i, 0, :, 0], top[i] + side[i] * steps, rtol=0, atol=1e-5
            )
            torch.testing.assert_close(seen[i, 1, 0], left[i] + side[i] * across, rtol=0, atol=1e-5)
    assert ((view[:, :2] >= 0) & (view[:, :2] + side[:, None] <= 1)).all()


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_two_steps_move_what_should_move_and_nothing_else(variant, photos, tmp_path, monkeypatch):
    modules = []
    real = featup.FeatUp.standardise
    monkeypatch.setattr(
        featup.FeatUp,
        "standardise",
        lambda self, loader: (
            modules.append((self, {k: v.clone() for k, v in self.state_dict().items()})),
            real(self, loader),
        )[1],
    )
    card = fit(photos, tmp_path / "run", variant=variant)
    before, after = modules[0][1], modules[0][0].state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k]) and k not in ("mean", "std")}
    learned = {k for k in before if k.startswith(("upsampler.", "blur.", "uncertainty."))}
    still = {k for k in learned if "log_sigma" in k or k.startswith("upsampler.fine.")}
    assert moved >= learned - still - {k for k in learned if k.endswith("phases")}
    assert not any(k.startswith("backbone.") for k in moved)
    assert all(value == value for _, value in card["curve"])
    assert len(card["curve"]) == 2


def test_same_seed_same_weights_and_a_stopped_run_goes_on_to_the_same_curve(
    photos, tmp_path, monkeypatch
):
    whole = fit(photos, tmp_path / "whole", steps=4)
    again = fit(photos, tmp_path / "again", steps=4)
    assert whole["curve"] == again["curve"]

    real = featup.FeatUp.training_step

    def killed(self, images, index):
        if self.global_step == 2:
            raise KeyboardInterrupt("killed")
        return real(self, images, index)

    monkeypatch.setattr(featup, "CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(featup.FeatUp, "training_step", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(photos, tmp_path / "stopped", steps=4)
    monkeypatch.setattr(featup.FeatUp, "training_step", real)
    assert (tmp_path / "stopped" / "last.ckpt").exists()
    stopped = fit(photos, tmp_path / "stopped", steps=4)
    assert [step for step, _ in stopped["curve"]] == [0, 1, 2, 3]
    assert stopped["curve"] == whole["curve"]


def test_validation_compares_with_bilinear_on_the_same_views(photos, tmp_path):
    card = fit(photos, tmp_path / "run", validation=[str(photos)])
    assert card["error_before"]["error_bilinear"] > 0
    assert card["error_before"]["error"] != card["error_before"]["error_bilinear"]


def test_crops_depend_on_the_seed_and_their_number_alone(photos):
    paths = sorted(photos.iterdir())
    crops = views.Crops(paths, 64, 8, seed=3)
    assert torch.equal(crops[5], views.Crops(paths, 64, 100, seed=3)[5])
    assert not torch.equal(crops[5], views.Crops(paths, 64, 8, seed=4)[5])
    assert crops[0].shape == (3, 64, 64)
