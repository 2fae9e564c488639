"""FeatUp's network, fitted to an image: for it alone, in its place, and from the shell."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from tests.features.known_features import TINY_FIT, CellMeanBackbone, colour_patches
from unstride import DenseFeatures, ImplicitFeatures, create_upsampler
from unstride.cli.main import main
from unstride.features import fitted_implicit, implicit
from unstride.features.implicit import fit_implicit
from unstride.features.implicit_options import VARIANTS, ImplicitOptions


@pytest.fixture
def backbone():
    return CellMeanBackbone()


def test_an_image_depends_on_no_other(backbone):
    flat = colour_patches(seed=1) * 1e-3 + 0.5
    both = fit_implicit(backbone, torch.cat([colour_patches(), flat]), **TINY_FIT, patience=1)
    turned = fit_implicit(backbone, torch.cat([flat, colour_patches()]), **TINY_FIT, patience=1)
    alone = [
        fit_implicit(backbone, image, **TINY_FIT, patience=1) for image in (colour_patches(), flat)
    ]
    images = torch.cat([colour_patches(), flat])
    out = DenseFeatures(backbone, both)(images)
    for i, one in enumerate(alone):
        assert both.fit_records[i] == turned.fit_records[1 - i] == one.fit_records[0]
        assert torch.equal(out[i : i + 1], DenseFeatures(backbone, one)(images[i : i + 1]))
    assert torch.equal(out.flip(0), DenseFeatures(backbone, turned)(images.flip(0)))


@pytest.mark.parametrize("image_size", [(33, 40), (9, 70), (64, 17)], ids=str)
def test_any_image_to_any_size(image_size, backbone):
    image, few = torch.rand(1, 3, *image_size), {"steps": 1, "views": 3, "held_out": 1}
    model = DenseFeatures(backbone, fit_implicit(backbone, image, **TINY_FIT | few))
    for size in (None, (7, 5), (50, 90)):
        out = model(image, size)
        assert out.shape == (1, 6, *(size or image_size))
        assert out.isfinite().all()


def test_bands_are_the_whole(backbone, monkeypatch):
    fitted, image = fit_implicit(backbone, colour_patches(), **TINY_FIT), colour_patches()
    whole = fitted(backbone(image), image)
    monkeypatch.setattr(fitted_implicit, "PIXELS_PER_BAND", 3 * 64)
    # One pixel at a time: products of matrices may be summed in another order.
    torch.testing.assert_close(fitted(backbone(image), image), whole, rtol=1e-4, atol=1e-4)


def test_images_in_one_call_under_inference_mode(backbone):
    images, reports = torch.cat([colour_patches(), colour_patches(seed=1)]), []
    model = ImplicitFeatures(
        backbone, **TINY_FIT, on_progress=lambda *progress: reports.append(progress[:4])
    )
    with torch.inference_mode():
        out = model(images, (20, 30))
    fitted = fit_implicit(backbone, images, **TINY_FIT)
    assert torch.equal(out, DenseFeatures(backbone, fitted)(images, (20, 30)))
    assert reports[:2] == [(0, "views", 1, 16), (0, "views", 2, 16)]
    assert reports[16:19] == [(0, "steps", 20, 40), (0, "steps", 40, 40), (1, "views", 1, 16)]


def test_a_backbone_in_training_is_used_in_evaluation_and_goes_on_training():
    class Moody(CellMeanBackbone):
        def forward(self, image):
            assert not self.training
            return super().forward(image)

    backbone = Moody().train()
    backbone.frozen = torch.nn.Identity().eval()  # a part of it is not in training, and stays so
    fit_implicit(backbone, colour_patches(), **TINY_FIT | {"steps": 1})
    assert backbone.training
    assert not backbone.frozen.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "best"}, "variant must be one of default, paper, released, got 'best'"),
        ({"step": 3}, "options must be among .*steps.*, got 'step'"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"zoom": 0.5}, "zoom must be at least 1, got 0.5"),
        ({"base": "zero"}, "base must be one of bilinear, nothing, got 'zero'"),
        ({"downsampler": "max"}, "downsampler must be one of blur, attention_pool, got 'max'"),
    ],
)
def test_mistakes_get_a_sentence(options, message, backbone):
    with pytest.raises(ValueError, match=message):
        fit_implicit(backbone, colour_patches(), **options)


def test_it_is_of_the_images_that_were_fitted(backbone):
    fitted, two = (
        fit_implicit(backbone, colour_patches(), **TINY_FIT | {"steps": 1}),
        colour_patches().repeat(2, 1, 1, 1),
    )
    with pytest.raises(ValueError, match="features must be of the 1 images that were fitted"):
        fitted(backbone(two), two)
    with pytest.raises(ValueError, match="fit_implicit"):
        create_upsampler("featup_implicit", 8)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, size in enumerate([(40, 33), (64, 32)]):
        Image.effect_noise(size, 80).convert("RGB").save(folder / f"{i}.png")
    return folder


def upsample(photos, out, *options):
    fixed = ["--upsampler", "featup_implicit", "--out", str(out), "--dtype", "float32"]
    return main(["upsample", *photos, *fixed, *options])


def test_from_the_shell_each_image_alone_resumed_and_shown(photos, tmp_path, capsys, monkeypatch):
    together, alone, fits = tmp_path / "together", tmp_path / "alone", []
    real = implicit.fit_with_options
    monkeypatch.setattr(
        implicit, "fit_with_options", lambda *args: (fits.append(1), real(*args))[1]
    )
    monkeypatch.setitem(
        VARIANTS, "default", replace(ImplicitOptions(), views=4, held_out=2, views_per_step=2)
    )
    assert upsample([str(photos)], together, "--steps", "2") == 0
    assert "of bilinear's error" in capsys.readouterr().err
    assert upsample([str(photos / "1.png")], alone, "--steps", "2") == 0
    first, second = (load_file(folder / "1.safetensors") for folder in (together, alone))
    assert first["features"].shape == (320, 32, 64)
    assert torch.equal(first["features"], second["features"])
    assert (together / "0.png").is_file()
    with safe_open(together / "0.safetensors", framework="pt") as file:
        assert "steps=2" in file.metadata()["fit"]
    assert len(fits) == 3
    upsample([str(photos)], together, "--steps", "2")
    assert len(fits) == 3  # nothing was fitted again
    upsample([str(photos)], together, "--steps", "1")
    assert len(fits) == 5


def test_steps_are_of_a_fit(photos, tmp_path, capsys):
    arguments = [str(photos / "0.png"), "--out", str(tmp_path / "out"), "--steps", "3"]
    assert main(["upsample", *arguments, "--upsampler", "bilinear"]) == 1
    assert (
        "steps can only be set for featup_implicit, got upsampler bilinear"
        in capsys.readouterr().err
    )
    assert upsample([str(photos / "0.png")], tmp_path / "out", "--steps", "0") == 1
    assert "steps must be at least 1, got 0" in capsys.readouterr().err
    explain = ["explain", str(photos / "0.png"), "--at", "3,4", "--upsampler", "featup_implicit"]
    assert main(explain) == 1
    assert "cannot be traced" in capsys.readouterr().err


def test_it_is_listed(capsys):
    assert main(["list"]) == 0
    assert "featup_implicit" in capsys.readouterr().out
