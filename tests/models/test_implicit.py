"""FeatUp's network, fitted to an image: for it alone, better than bilinear, and in its place."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from unstride import DenseFeatures, ImplicitFeatures, create_backbone, create_upsampler
from unstride.cli import main
from unstride.models import implicit, implicit_fit
from unstride.models.implicit import fit_implicit
from unstride.models.implicit_fit import Components, ImageFit
from unstride.models.implicit_recipe import VARIANTS, Recipe

TINY = {"steps": 40, "views": 12, "held_out": 4, "drawn": 3, "fineness": 4, "components": 6}


class Means(nn.Module):
    """A backbone whose features are what its cells are like on average: known at every pixel."""

    stride = 8

    def __init__(self, multiple=8):
        super().__init__()
        self.multiple, self.channels = multiple, 6
        self.register_buffer("mix", torch.randn(6, 3))

    def truth(self, image):
        return torch.einsum("dc, bchw -> bdhw", self.mix, image)

    def padded_size(self, size):
        return tuple(-(-n // self.multiple) * self.multiple for n in size)

    def forward(self, image):
        size = self.padded_size(image.shape[2:])
        return avg_pool2d(self.truth(implicit_fit.pad_image(image, size)), 8)


@pytest.fixture
def backbone():
    return Means()


def blocks(h=48, w=64, seed=0):
    """Patches of one colour each, with edges across the backbone's cells."""
    generator = torch.Generator().manual_seed(seed)
    return interpolate(torch.rand(1, 3, 4, 5, generator=generator), (h, w), mode="nearest-exact")


def test_an_image_depends_on_no_other(backbone):
    flat = blocks(seed=1) * 1e-3 + 0.5
    both = fit_implicit(backbone, torch.cat([blocks(), flat]), **TINY, patience=1)
    turned = fit_implicit(backbone, torch.cat([flat, blocks()]), **TINY, patience=1)
    alone = [fit_implicit(backbone, image, **TINY, patience=1) for image in (blocks(), flat)]
    images = torch.cat([blocks(), flat])
    out = DenseFeatures(backbone, both)(images)
    for i, one in enumerate(alone):
        assert both.records[i] == turned.records[1 - i] == one.records[0]
        assert torch.equal(out[i : i + 1], DenseFeatures(backbone, one)(images[i : i + 1]))
    assert torch.equal(out.flip(0), DenseFeatures(backbone, turned)(images.flip(0)))


def test_the_seed_decides_and_no_random_state_is_changed(backbone):
    before = torch.get_rng_state()
    first, again = (fit_implicit(backbone, blocks(), **TINY) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(5)
    third = fit_implicit(backbone, blocks(), **TINY)
    other = fit_implicit(backbone, blocks(), **TINY, seed=1)
    assert first.records == again.records == third.records
    assert first.records != other.records
    state = first.state_dict()
    assert all(torch.equal(state[k], v) for k, v in again.state_dict().items())


@pytest.mark.parametrize("downsampler", ["blur", "attention_pool"])
@pytest.mark.parametrize("size", [(48, 64), (45, 61)], ids=str)
def test_it_finds_the_features_that_the_cells_are_averages_of(size, downsampler):
    """The edges of patches lie anywhere in the cells; so it must look where views look."""
    backbone, image = Means(multiple=16), blocks(*size)
    options = {"steps": 120, "views": 40, "kernel": 1, "downsampler": downsampler}
    fitted = fit_implicit(backbone, image, **(TINY | options))
    bilinear = DenseFeatures(backbone, create_upsampler("bilinear", 6, 8))
    truth = backbone.truth(image)
    error, usual = (
        (model(image) - truth).square().mean()
        for model in (DenseFeatures(backbone, fitted), bilinear)
    )
    assert error < 0.7 * usual


def test_it_beats_bilinear_on_a_photograph():
    data = pytest.importorskip("skimage.data", reason="the extra 'demo' is not installed")
    photo = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None, :, :150, 150:330] / 255
    fitted = fit_implicit(
        create_backbone(stride=16), photo, **TINY | {"views": 32, "held_out": 8, "components": 64}
    )
    record = fitted.records[0]
    assert record.curve[0][1] < 1.1 * record.bilinear  # where it starts
    assert record.error < 0.9 * record.bilinear


@pytest.mark.parametrize("image_size", [(33, 40), (9, 70), (64, 17)], ids=str)
def test_any_image_to_any_size(image_size, backbone):
    image, few = torch.rand(1, 3, *image_size), {"steps": 1, "views": 3, "held_out": 1}
    model = DenseFeatures(backbone, fit_implicit(backbone, image, **TINY | few))
    for size in (None, (7, 5), (50, 90)):
        out = model(image, size)
        assert out.shape == (1, 6, *(size or image_size))
        assert out.isfinite().all()


def test_bands_are_the_whole(backbone, monkeypatch):
    fitted, image = fit_implicit(backbone, blocks(), **TINY), blocks()
    whole = fitted(backbone(image), image)
    monkeypatch.setattr(implicit, "BAND", 3 * 64)
    # One pixel at a time: products of matrices may be summed in another order.
    torch.testing.assert_close(fitted(backbone(image), image), whole, rtol=1e-4, atol=1e-4)


def test_before_it_learns_it_is_bilinear(backbone):
    image = torch.cat([blocks(), blocks(seed=1)])
    fitted = fit_implicit(backbone, image, **TINY, learning_rate=0)
    bilinear = create_upsampler("bilinear", 6, 8)
    features = backbone(image)
    assert torch.equal(fitted(features, image, (30, 90)), bilinear(features, size=(30, 90)))
    assert fitted.scale == 8


def test_it_ends_when_patience_does_and_keeps_the_best(backbone, monkeypatch):
    record = fit_implicit(
        backbone, blocks(), **TINY | {"steps": 1000}, learning_rate=0, patience=3
    ).records[0]
    assert [step for step, _ in record.curve] == [0, 20, 40, 60]

    errors, states = iter([1.0, 0.9, 0.8999, 0.92, 0.91, 0.5]), []
    monkeypatch.setattr(
        ImageFit, "error", lambda self: (states.append(self.state()), next(errors))[1]
    )
    fitted = fit_implicit(backbone, blocks(), **TINY | {"steps": 1000}, patience=3)
    record = fitted.records[0]
    assert [error for _, error in record.curve] == [1.0, 0.9, 0.8999, 0.92, 0.91]
    assert record.error == 0.8999  # too little to wait on, but the lowest
    kept = {k: v for k, v in states[2].items() if k.startswith("0.")}
    for name, tensor in fitted.images[0].network.state_dict().items():
        assert torch.equal(tensor, kept[f"0.{name}"])


@pytest.mark.parametrize("downsampler", ["blur", "attention_pool"])
def test_the_gradient_reaches_every_parameter(downsampler, backbone):
    recipe = Recipe(**TINY | {"downsampler": downsampler, "start": "nothing", "pin": 0.1})
    fit = ImageFit(backbone.eval(), blocks(), recipe, 0)
    fit.look(lambda *_: None)
    fit.build()
    fit.loss().backward()
    for name, parameter in fit.learned.named_parameters():
        if downsampler == "attention_pool" and name == "1.saliency.1.bias":
            continue  # scaled by a gain that is nearly the same for all taps: tiny by nature
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert all(p.grad is None for p in backbone.parameters())


def test_terms_of_the_loss():
    expected, actual = torch.randn(2, 5, 3, 4), torch.randn(2, 5, 3, 4)
    scale = torch.rand(2, 1, 3, 4) + 0.5
    total = 0.0
    for b in range(2):
        for y in range(3):
            for x in range(4):
                s = scale[b, 0, y, x]
                for d in range(5):
                    difference = expected[b, d, y, x] - actual[b, d, y, x]
                    total += (difference**2 / (2 * s**2) + s.log()) / (2 * 5 * 3 * 4)
    torch.testing.assert_close(implicit_fit.uncertain_loss(expected, actual, scale), total)

    maps = torch.randn(1, 5, 3, 4)
    size = maps.square().sum(1).sqrt()[0]
    down = sum((size[y + 1, x] - size[y, x]) ** 2 for y in range(2) for x in range(4)) / 8
    across = sum((size[y, x + 1] - size[y, x]) ** 2 for y in range(3) for x in range(3)) / 9
    torch.testing.assert_close(implicit_fit.magnitude_variation(maps), down + across)

    doubt = implicit_fit.Doubt(5)
    plain = torch.einsum("bdhw, d -> bhw", maps, doubt.weight[0, :, 0, 0]) + doubt.bias
    torch.testing.assert_close(doubt(maps)[:, 0], (plain + 0.1).exp())
    assert (doubt(maps * 1e6) >= 1e-4).all()
    assert doubt.weight.abs().max() <= 0.1 / 5**0.5  # the usual start, a tenth of it


def test_the_prior_and_the_pin_are_in_the_loss(backbone):
    losses = []
    for options in ({"smoothness": 0.0}, {"smoothness": 2.0}, {"smoothness": 0.0, "pin": 2.0}):
        recipe = Recipe(**TINY | options | {"start": "nothing", "dropout": 0.0})
        fit = ImageFit(backbone.eval(), blocks(), recipe, 0)
        torch.manual_seed(0)
        fit.look(lambda *_: None)
        fit.build()
        torch.manual_seed(1)
        losses.append(fit.loss())
        torch.manual_seed(1)
        torch.randint(recipe.views, (recipe.drawn,))
        fine, _ = fit.render(torch.randint(fit.step, (2,)).tolist())
    variation = implicit_fit.magnitude_variation(fine)
    torch.testing.assert_close(losses[1] - losses[0], 2 * variation, rtol=1e-3, atol=1e-4)
    pinned = (implicit_fit.smoothed(fine) - fine).square().mean()
    torch.testing.assert_close(losses[2] - losses[0], 2 * pinned, rtol=1e-3, atol=1e-4)


def test_all_components_say_all_and_few_the_most():
    features = torch.randn(2, 6, 9, 8) * torch.logspace(-1, 2, 6)[:, None, None] + 5
    features[:, 1] += features[:, 0]
    all_of_them, three = Components(features, 6), Components(features, 3)
    torch.testing.assert_close(all_of_them.back(all_of_them(features)), features)
    torch.testing.assert_close(all_of_them(features).square().mean(), torch.tensor(1.0))
    centred = all_of_them.back(all_of_them(features), centred=True)
    torch.testing.assert_close(centred, features - features.mean((0, 2, 3), keepdim=True))
    assert abs(all_of_them.kept - 1) < 1e-6
    std = features.std((0, 2, 3), keepdim=True)
    lost = (three.back(three(features)) - features) / std
    n = features.shape[0] * 72
    assert three.kept == pytest.approx(1 - lost.square().sum().item() / ((n - 1) * 6), abs=1e-5)
    assert all(
        three.kept >= Components(features[:, torch.randperm(6)], 3).kept - 1e-6 for _ in range(3)
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_learn(variant, backbone):
    record = fit_implicit(backbone, blocks(), variant=variant, **TINY).records[0]
    assert record.curve[-1][1] < record.curve[0][1]


def test_the_comb_fits_the_frame_and_is_bounded():
    assert implicit_fit.comb_step(32, (384, 480), 8) == 4
    assert implicit_fit.comb_step(14, (392, 392), 8) == 2
    assert implicit_fit.comb_step(8, (64, 64), 8) == 1
    assert implicit_fit.comb_step(32, (1536, 2048), 8) == 8
    assert implicit_fit.comb_step(4, (1536, 2048), 8) == 4


def test_images_in_one_call_under_inference_mode(backbone):
    images, seen = torch.cat([blocks(), blocks(seed=1)]), []
    model = ImplicitFeatures(backbone, **TINY, watch=lambda *told: seen.append(told[:4]))
    with torch.inference_mode():
        out = model(images, (20, 30))
    fitted = fit_implicit(backbone, images, **TINY)
    assert torch.equal(out, DenseFeatures(backbone, fitted)(images, (20, 30)))
    assert seen[:2] == [(0, "views", 1, 16), (0, "views", 2, 16)]
    assert seen[16:19] == [(0, "steps", 20, 40), (0, "steps", 40, 40), (1, "views", 1, 16)]


def test_a_backbone_in_training_is_used_in_evaluation_and_goes_on_training():
    class Moody(Means):
        def forward(self, image):
            assert not self.training
            return super().forward(image)

    backbone = Moody().train()
    fit_implicit(backbone, blocks(), **TINY | {"steps": 1})
    assert backbone.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "best"}, "variant must be one of default, paper, released, got 'best'"),
        ({"step": 3}, "options must be of .*steps.*, got 'step'"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"zoom": 0.5}, "zoom must be at least 1, got 0.5"),
        ({"start": "zero"}, "start must be bilinear or nothing, got 'zero'"),
        ({"downsampler": "max"}, "downsampler must be blur or attention_pool, got 'max'"),
    ],
)
def test_mistakes_get_a_sentence(options, message, backbone):
    with pytest.raises(ValueError, match=message):
        fit_implicit(backbone, blocks(), **options)


def test_it_is_of_the_images_that_were_fitted(backbone):
    fitted, two = (
        fit_implicit(backbone, blocks(), **TINY | {"steps": 1}),
        blocks().repeat(2, 1, 1, 1),
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
    real = implicit.fit_by
    monkeypatch.setattr(implicit, "fit_by", lambda *given: (fits.append(1), real(*given))[1])
    monkeypatch.setitem(VARIANTS, "default", replace(Recipe(), views=4, held_out=2, drawn=2))
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
    assert "steps are of featup_implicit" in capsys.readouterr().err
    assert upsample([str(photos / "0.png")], tmp_path / "out", "--steps", "0") == 1
    assert "steps must be at least 1, got 0" in capsys.readouterr().err
    explain = ["explain", str(photos / "0.png"), "--at", "3,4", "--upsampler", "featup_implicit"]
    assert main(explain) == 1
    assert "nothing to trace" in capsys.readouterr().err


def test_it_is_listed(capsys):
    assert main(["list"]) == 0
    assert "featup_implicit" in capsys.readouterr().out
