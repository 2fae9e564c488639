"""`unstride fit inpainting`: it learns, resumes, and leaves a network that fills holes."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from unstride.cli.main import main
from unstride.models.inpainting.by_name import read_inpainter
from unstride.recipes import inpainting
from unstride.recipes.inpainting_options import Options

TINY = {
    "steps": 3, "batch_size": 2, "size": (32, 40), "model_options": {"width": 4},
    "critic_width": 2, "critic_steps": 2, "device": "cpu", "save_every": 1, "val_every": 2,
    "val_limit": 2, "learning_rate": 1e-3,
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(4):
        noise = Image.effect_noise((12, 9), 120).convert("RGB")
        noise.resize((60, 45), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    (folder / "bad.png").write_bytes(b"no image")
    return folder


def options_of(photos, out, **changes):
    given = {"images": str(photos), "val_images": str(photos / "[0-3].png"), "out": out}
    return Options(**(given | TINY | changes))


def card(options):
    return json.loads((options.out / "card.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"adversary": "hinge", "critic": "patch", "model": "glcic", "upsampler": "carafe"},
        {"adversary": "least_squares", "critic": "patch_hole", "model": "partial_unet",
         "model_options": {"width": 4, "levels": 3}},
        {"adversary": "none", "tv_weight": 0.1, "perceptual_weight": 0.05, "style_weight": 1.0,
         "perceptual_backbone": "test_resnet", "lr_schedule": "cosine",
         "model_options": {"width": 4, "gated": True, "attention": "no_propagation"}},
    ],
    ids=["wasserstein", "hinge", "least squares", "perceptual"],
)  # fmt: skip
def test_it_trains_and_leaves_a_network(changes, photos, tmp_path, monkeypatch):
    if changes.get("adversary") == "none":
        from unstride.recipes.inpainting import create_pyramid

        def untrained(*args, **kwargs):
            return create_pyramid(*args, **kwargs, pretrained=False)

        monkeypatch.setattr(inpainting, "create_pyramid", untrained)
    options = options_of(photos, tmp_path / "out", **changes)
    scores = inpainting.fit(options)
    assert scores.keys() == {
        "hole_l1", "image_l1", "hole_psnr", "image_psnr", "ssim", "tv_ratio",
    }  # fmt: skip
    assert len(card(options)["curve"]) == 3
    network = read_inpainter(options.out / "model")
    image, is_hole = torch.rand(1, 3, 32, 40), torch.zeros(1, 1, 32, 40, dtype=torch.bool)
    is_hole[:, :, 8:16, 8:16] = True
    assert network(image, is_hole).isfinite().all()
    torch.manual_seed(options.seed)
    start = inpainting.create_inpainter(
        options.model, upsampler=options.upsampler, **options.model_options
    )
    trained = load_file(options.out / "model" / "model.safetensors")
    kernels = [name for name, p in start.named_parameters() if p.ndim == 4]
    assert all(not torch.equal(start.state_dict()[n], trained[n]) for n in kernels)


@pytest.mark.parametrize("adversary", ["none", "wasserstein"])
def test_a_stopped_run_goes_on_to_the_same_weights(adversary, photos, tmp_path, monkeypatch):
    whole = options_of(photos, tmp_path / "whole", adversary=adversary, steps=4)
    inpainting.fit(whole)
    stopped = replace(whole, out=tmp_path / "stopped")
    step = inpainting.InpaintingLearner.training_step

    def until_the_third(self, batch, index):
        if self.global_step == 2:
            raise KeyboardInterrupt
        return step(self, batch, index)

    monkeypatch.setattr(inpainting.InpaintingLearner, "training_step", until_the_third)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        inpainting.fit(stopped)
    monkeypatch.setattr(inpainting.InpaintingLearner, "training_step", step)
    inpainting.fit(stopped)
    assert card(stopped)["curve"] == card(whole)["curve"]
    one, other = (load_file(o.out / "model" / "model.safetensors") for o in (whole, stopped))
    assert all(torch.equal(other[name], value) for name, value in one.items())


def test_the_critic_sees_images_that_the_network_is_not_trained_on(photos, tmp_path, monkeypatch):
    seen = []
    step = inpainting.CriticTrainer.step

    def recorded(self, real, fake, is_hole):
        seen.append(real)
        assert torch.equal(real.masked_select(~is_hole), fake.masked_select(~is_hole))
        return step(self, real, fake, is_hole)

    monkeypatch.setattr(inpainting.CriticTrainer, "step", recorded)
    trained_on = []
    losses = inpainting.InpaintingLearner.losses

    def losses_of(self, images, is_hole):
        trained_on.append(images)
        return losses(self, images, is_hole)

    monkeypatch.setattr(inpainting.InpaintingLearner, "losses", losses_of)
    inpainting.fit(options_of(photos, tmp_path / "out", val_images=()))
    assert len(seen) == 2 * 3
    batches = [*seen, *trained_on]
    assert len({batch.sum().item() for batch in batches}) == len(batches)


def test_impossible_options_are_refused(photos, tmp_path, capsys):
    words = ["fit", "inpainting", "--images", str(photos), "--out", str(tmp_path / "out")]
    for more, message in (
        (["--discount", "1.5"], "discount must be at most 1, got 1.5"),
        (["--scale-range", "[0.2, 2]"], "scale_range must end at 1 at most, got 2.0"),
        (["--model", "unet"], "model must be one of deepfill, glcic, partial_unet, got 'unet'"),
        (["--size", "24x24"], "size must be at least 32 pixels a side"),
        (["--critic", "x"], "critic must be one of"),
    ):
        assert main([*words, "--device", "cpu", *more]) == 1
        assert message in " ".join(capsys.readouterr().err.split())
