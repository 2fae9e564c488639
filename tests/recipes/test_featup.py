"""FeatUp's recipe: views move image and features alike, it learns, and a killed run goes on."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from unstride.backbones.timm_backbone import Backbone
from unstride.datasets.random_crops import RandomCrops
from unstride.recipes import featup
from unstride.recipes.featup import FeatUpLearner, Options
from unstride.training import run
from unstride.transforms import views
from unstride.upsamplers import Upsampler

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(4):
        noise = Image.effect_noise((8 + i, 8), 120).convert("RGB")
        noise.resize((140, 128), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def fit(photos, out, **options):
    options = {
        "images": [str(photos)], "out": out, "device": "cpu", "steps": 2, "batch_size": 2,
        "views_per_image": 1, "crop_size": "128", "projection_dim": 8, **options,
    }  # fmt: skip
    featup.fit(Options(**options))
    return json.loads((out / "card.json").read_text(encoding="utf-8"))


def test_a_view_is_one_coordinate_map_for_any_resolution():
    """A ramp of coordinates, seen through a view, says where each pixel of the view looks."""
    view = views.random_views(3, (1.2, 3), torch.Generator().manual_seed(0))
    left, top, side, flip = view.unbind(1)
    for resolution in (64, 256):
        steps = (torch.arange(resolution) + 0.5) / resolution
        ramp = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).expand(3, -1, -1, -1)
        seen = views.apply_views(view, ramp, 32)
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
    real = FeatUpLearner.set_statistics
    monkeypatch.setattr(
        FeatUpLearner,
        "set_statistics",
        lambda self, loader: (
            modules.append((self, {k: v.clone() for k, v in self.state_dict().items()})),
            real(self, loader),
        )[1],
    )
    card = fit(photos, tmp_path / "run", upsampler_options={"variant": variant})
    before, after = modules[0][1], modules[0][0].state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k]) and k not in ("mean", "std")}
    learned = {k for k in before if k.startswith(("upsampler.", "pool.", "uncertainty."))}
    learned = {k for k in learned if "standardise" not in k}
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

    real = FeatUpLearner.training_step

    def killed(self, images, index):
        if self.global_step == 2:
            raise KeyboardInterrupt("killed")
        return real(self, images, index)

    monkeypatch.setattr(run, "DEFAULT_SAVE_EVERY", 1)
    monkeypatch.setattr(FeatUpLearner, "training_step", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(photos, tmp_path / "stopped", steps=4)
    assert (tmp_path / "stopped" / "last.ckpt").exists()
    taken = []

    def counted(self, images, index):
        taken.append(self.global_step)
        return real(self, images, index)

    monkeypatch.setattr(FeatUpLearner, "training_step", counted)
    stopped = fit(photos, tmp_path / "stopped", steps=4)
    assert taken == [2, 3]
    assert [step for step, _ in stopped["curve"]] == [0, 1, 2, 3]
    assert stopped["curve"] == whole["curve"]


@pytest.mark.parametrize(
    ("upsampler", "projection", "channels"), [("featup_jbu", "random", 320), ("carafe", "pca", 8)]
)
def test_the_run_leaves_a_folder_that_loads(upsampler, projection, channels, photos, tmp_path):
    """Made for the backbone's channels, where the weights do not depend on their number."""
    out = tmp_path / "run"
    fit(photos, out, upsampler=upsampler, projection=projection)
    loaded = Upsampler.from_pretrained(out / "upsampler")
    assert loaded.channels == channels
    written = load_file(out / "upsampler.safetensors")
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor.half(), written[name])


def test_validation_compares_with_bilinear_on_the_same_views(photos, tmp_path):
    card = fit(photos, tmp_path / "run", val_images=[str(photos)])
    assert card["error_before"]["error_bilinear"] > 0
    assert card["error_before"]["error"] != card["error_before"]["error_bilinear"]


def test_crops_depend_on_the_seed_and_their_number_alone(photos):
    paths = sorted(photos.iterdir())
    crops = RandomCrops(paths, 64, length=8, seed=3)
    assert torch.equal(crops[5], RandomCrops(paths, 64, length=100, seed=3)[5])
    assert not torch.equal(crops[5], RandomCrops(paths, 64, length=8, seed=4)[5])
    assert crops[0].shape == (3, 64, 64)


def learner_of(upsampler="bilinear", **options):
    torch.manual_seed(0)
    backbone = featup.create_backbone("resnet18", pretrained=False, stride=16)
    options = Options(images=[], upsampler=upsampler, steps=1, views_per_image=1, **options)
    return FeatUpLearner(backbone, options)


def view_predictions(learner, images):
    generator = torch.Generator().manual_seed(0)
    upsampled, matrix = learner.upsampled_features(images, learner.upsampler, generator)
    return list(learner.view_predictions(images, upsampled, matrix, generator))


def test_crops_and_views_need_not_be_square():
    for prediction, target, sigma in view_predictions(
        learner_of(max_pad=0.2), torch.rand(2, 3, 96, 128)
    ):
        assert prediction.shape == target.shape == (2, 48, 6, 8)
        assert sigma.shape == (2, 1, 6, 8)


def test_attention_by_an_upsampled_channel_is_that_of_upsampled_features():
    """Saliency is linear, so that of the upsampled features is the upsampled saliency."""
    learner = learner_of(downsampler="attention_pool", projection="none").eval()
    for p in learner.pool.parameters():
        p.data += 0.3 * torch.randn_like(p)
    images = torch.rand(2, 3, 96, 96)
    (expected, _, _), (plain, _, _) = (
        view_predictions(m, images)[0] for m in (learner, learner_of(projection="none").eval())
    )
    generator = torch.Generator().manual_seed(0)
    features = learner.standardised(learner.backbone(images))
    upsampled = learner.upsampler(features, images, (24, 24))
    options = learner.options
    view = views.random_views(2, options.zoom_range, generator, pad=options.max_pad)
    seen = views.apply_views(view, upsampled, 4 * 6)
    torch.testing.assert_close(expected, learner.pool(seen), rtol=1e-4, atol=1e-4)
    assert (expected - plain).abs().max() > 1e-3


def test_projections_are_principal_random_or_none():
    images = torch.rand(2, 3, 96, 96)
    principal, none = learner_of(projection="pca", projection_dim=5), learner_of(projection="none")
    principal.set_statistics([images]), none.set_statistics([images])
    features = principal.standardised(principal.backbone(images)).movedim(1, -1).flatten(0, 2)
    values = torch.linalg.eigvalsh(features.T @ features)
    share = (features @ principal.components).square().sum() / values.sum()
    torch.testing.assert_close(share, values[-5:].sum() / values.sum(), rtol=1e-4, atol=0)
    assert view_predictions(none, images)[0][0].shape[1] == none.backbone.channels
    with pytest.raises(ValueError, match="projection must be none for carafe"):
        learner_of("carafe")
    assert learner_of("carafe", projection="none")


def test_a_crop_must_be_whole_strides():
    backbone = featup.create_backbone("resnet18", pretrained=False)
    assert featup.parse_crop_size("64", backbone) == (64, 64)
    assert featup.parse_crop_size("64x96", backbone) == (64, 96)
    for wrong in ("70", "64x", "a", "64x64x64", "0"):
        with pytest.raises(ValueError, match="multiples of 32 pixels for resnet18, got"):
            featup.parse_crop_size(wrong, backbone)


def test_features_on_disk_give_the_same_curve_and_are_not_computed_again(
    photos, tmp_path, monkeypatch
):
    plain = fit(photos, tmp_path / "plain")
    first = fit(photos, tmp_path / "first", cache=tmp_path / "cache")
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}
    monkeypatch.setattr(Backbone, "forward", lambda *_: pytest.fail("computed again"))
    second = fit(photos, tmp_path / "second", cache=tmp_path / "cache")
    assert plain["curve"] == first["curve"] == second["curve"]
    assert files == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}


def test_the_papers_stack_goes_on_to_the_same_curve_though_it_drops_out(
    photos, tmp_path, monkeypatch
):
    options = {"steps": 3, "upsampler_options": {"variant": "paper"}}
    monkeypatch.setattr(run, "DEFAULT_SAVE_EVERY", 1)
    whole = fit(photos, tmp_path / "whole", **options)
    real = FeatUpLearner.training_step

    def killed(self, images, index):
        if self.global_step == 2:
            raise KeyboardInterrupt("killed")
        return real(self, images, index)

    monkeypatch.setattr(FeatUpLearner, "training_step", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(photos, tmp_path / "stopped", **options)
    monkeypatch.setattr(FeatUpLearner, "training_step", real)
    assert fit(photos, tmp_path / "stopped", **options)["curve"] == whole["curve"]


def test_tensorboard_shows_loss_errors_and_features(photos, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(photos, tmp_path / "run", val_images=[str(photos)], val_every=1)
    log = EventAccumulator(str(next((tmp_path / "run").rglob("events.*")).parent))
    log.Reload()
    assert {"error", "error_bilinear"} <= set(log.Tags()["scalars"])
    assert "features" in log.Tags()["images"]


@pytest.mark.parametrize("precision", ["bf16-mixed"])
def test_mixed_precision_trains(photos, tmp_path, precision):
    card = fit(photos, tmp_path / "run", precision=precision)
    assert all(value == value for _, value in card["curve"])


def test_the_crf_term_is_added_when_asked(photos, tmp_path):
    plain, crf = (fit(photos, tmp_path / str(w), steps=1, crf_weight=w) for w in (0.0, 10.0))
    assert crf["curve"][0][1] > plain["curve"][0][1]
