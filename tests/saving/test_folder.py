"""An upsampler saved to a folder loads with all its options and weights; no code is run."""

import copy
import inspect
import json
import pickle

import pytest
import torch
from torch import nn

from tests.upsamplers.test_every_upsampler import NAMES, Box, randomise_weights
from tests.upsamplers.test_every_upsampler import build as build_operator
from unstride import create_upsampler
from unstride.saving.configuration import build, describe
from unstride.saving.folder import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME, load_weights
from unstride.upsamplers import (
    Bilinear,
    CarafeUpsample,
    Cascade,
    FeatUpImplicit,
    FeatUpStack,
    Upsampler,
)

UNUSUAL = {
    "carafe": {"kernel_size": 3, "encoder_size": 1, "groups": 2, "normaliser": "sigmoid"},
    "a2u": {"guide_channels": 3, "rank": 2, "dynamic": False},
    "sapa": {"guide_channels": 5, "embedding": 16, "gated": True},
    "dysample": {"style": "pl", "groups": 2},
    "joint_bilateral": {"kernel_size": 3, "sigma_space": 0.123456789012345, "sigma_range": 1e-3},
    "featup_jbu": {"variant": "paper", "pretrained": False, "radius": 2, "norm": True},
    "anyup": {"released_order": True},
    "fade": {"stages": 2, "guide_channels": 3, "kernel_size": 3},
}


class Own(Upsampler):
    """Not convex: a user-defined class with a parameter and options."""

    def __init__(self, channels, scale=2, *, amounts=None, **more):
        super().__init__(channels, scale)
        self.amounts, self.more = amounts, more
        self.gain = nn.Parameter(torch.rand(channels, 1, 1))

    def forward(self, features, guide=None, size=None):
        """Bilinear, times a gain."""
        return self.gain * Bilinear(self.channels, self.scale)(features, guide, size)


def give_same_output(one, other, channels=8):
    guide = torch.rand(2, one.guide_channels or 3, 20, 28)
    features = torch.randn(2, channels, 5, 7)
    return torch.equal(one(features, guide, (20, 28)), other(features, guide, (20, 28)))


@pytest.mark.parametrize("name", NAMES)
def test_every_upsampler_comes_back_from_a_folder(name, tmp_path):
    up = randomise_weights(build_operator(name)).eval()
    up.save_pretrained(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {CARD_NAME, CONFIG_NAME, WEIGHTS_NAME}
    kind = Box if name == "box" else Upsampler
    again = kind.from_pretrained(tmp_path)
    assert type(again) is type(up)
    assert not again.training
    assert describe(again) == describe(up)
    held, expected = again.state_dict(), up.state_dict()
    assert held.keys() == expected.keys()
    assert all(torch.equal(held[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", UNUSUAL)
def test_every_option_comes_back_exactly(name, tmp_path):
    up = create_upsampler(name, 16, 4, **UNUSUAL[name]).eval()
    up.save_pretrained(tmp_path)
    held = json.loads((tmp_path / CONFIG_NAME).read_text(encoding="utf-8"))
    for stage in held.get("stages", [held]):
        options = dict(UNUSUAL[name])
        assert stage["scale"] ** options.pop("stages", 1) == 4
        assert stage["upsampler"] == name
        assert options.items() <= stage["options"].items()
    assert give_same_output(Upsampler.from_pretrained(tmp_path), up, channels=16)


def test_defaults_are_written_too_so_that_they_may_change():
    assert describe(CarafeUpsample(8))["options"]["kernel_size"] == 5
    stack = FeatUpStack(8, 4, key_channels=16)
    held = describe(stack)
    assert held["upsampler"] == "featup_jbu"
    assert held["options"]["variant"] == "paper"
    assert held["options"]["pretrained"] is False
    assert describe(build(held)) == held


def test_a_class_of_ones_own_works_alone_and_within_a_cascade(tmp_path):
    own = Own(8, 2, amounts=[1, 2.5, None], flavour="mild")
    own.save_pretrained(tmp_path / "own")
    again = Own.from_pretrained(tmp_path / "own")
    assert (again.amounts, again.more) == ([1, 2.5, None], {"flavour": "mild"})
    assert give_same_output(again, own)
    cascade = Cascade(own, CarafeUpsample(8, 2)).eval()
    cascade.save_pretrained(tmp_path / "both")
    assert give_same_output(Upsampler.from_pretrained(tmp_path / "both", classes=[Own]), cascade)
    card = (tmp_path / "both" / CARD_NAME).read_text(encoding="utf-8")
    assert "classes=[Own]" in card
    assert "The code is Apache-2.0." in card
    assert "ImageNet and BSDS500 are for non-commercial" in card
    with pytest.raises(ValueError, match="upsampler 'Own' is not in this library"):
        Upsampler.from_pretrained(tmp_path / "own")


def test_a_class_made_for_something_else_than_channels():
    class Wide(Bilinear):
        """Weights are convex: with one argument of its own."""

        def __init__(self, words: str):
            super().__init__(len(words), 3)

    held = describe(Wide("eight"))
    assert held == {"upsampler": "Wide", "channels": 5, "scale": 3, "options": {"words": "eight"}}
    assert build(held, [Wide]).channels == 5


def test_a_copy_and_an_unpickled_one_can_be_saved_and_signatures_stay():
    up = CarafeUpsample(8, 4, kernel_size=3)
    for other in (copy.deepcopy(up), pickle.loads(pickle.dumps(up))):
        assert describe(other) == describe(up)
    assert list(inspect.signature(CarafeUpsample).parameters)[:2] == ["channels", "scale"]
    assert list(inspect.signature(Bilinear).parameters) == ["channels", "scale"]


def test_weights_of_half_precision_and_shared_ones(tmp_path):
    up = Own(8)
    up.twin = up.gain
    up.half().save_pretrained(tmp_path)
    (tmp_path / CARD_NAME).write_text("mine", encoding="utf-8")
    up.save_pretrained(tmp_path)
    assert (tmp_path / CARD_NAME).read_text(encoding="utf-8") == "mine"

    class Twins(Own):
        """Not convex: two names for one tensor."""

        def __init__(self, channels, scale=2, **more):
            super().__init__(channels, scale, **more)
            self.twin = self.gain

    config = json.loads((tmp_path / CONFIG_NAME).read_text(encoding="utf-8")) | {
        "upsampler": "Twins"
    }
    (tmp_path / CONFIG_NAME).write_text(json.dumps(config), encoding="utf-8")
    again = Twins.from_pretrained(tmp_path)
    assert again.gain.dtype == torch.float32
    assert torch.equal(again.gain, up.gain.float())


def test_weights_that_fit_any_features(tmp_path):
    up = create_upsampler("featup_jbu", 8, 4)
    up.save_pretrained(tmp_path)
    again = Upsampler.from_pretrained(tmp_path, channels=20)
    assert again.channels == 20
    assert again(torch.rand(1, 20, 4, 4), torch.rand(1, 3, 16, 16)).shape == (1, 20, 16, 16)
    create_upsampler("deconv", 8, 4).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"weights must fit this deconv, got .*size mism"):
        Upsampler.from_pretrained(tmp_path, channels=20)


def test_the_network_for_one_image_is_loaded_too(tmp_path):
    FeatUpImplicit(8, 4).save_pretrained(tmp_path)
    assert isinstance(Upsampler.from_pretrained(tmp_path), FeatUpImplicit)


@pytest.mark.parametrize("value", [(1, 2), torch.float16, len, float("nan"), {1: 2}], ids=str)
def test_what_json_cannot_give_back_is_refused_when_saving(value, tmp_path):
    with pytest.raises(ValueError, match=r"Own cannot be saved: amounts=.* is not a number"):
        Own(8, amounts=value).save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_only_upsamplers_with_named_arguments_can_be_saved():
    class Loose(Bilinear):
        """Weights are convex: its arguments have no names."""

        def __init__(self, *args):
            super().__init__(*args)

    with pytest.raises(
        ValueError, match="Loose cannot be saved: its argument args cannot be passed by name"
    ):
        describe(Loose(8))
    with pytest.raises(ValueError, match="only an Upsampler can be saved, got a Conv2d"):
        describe(nn.Conv2d(1, 1, 1))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "has no config.json"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "must hold a JSON object, got a list"),
        ("{}", "upsampler None is not"),
        ('{"upsampler": "os.system", "channels": 1, "scale": 1}', "upsampler 'os.system' is not"),
        ('{"upsampler": ["carafe"]}', "upsampler .'carafe'. is not"),
        ('{"upsampler": "carafe", "scale": 2}', "channels"),
        ('{"upsampler": "carafe", "channels": "8", "scale": 2}', "config.json: channels must be"),
        ('{"upsampler": "carafe", "channels": -8, "scale": 2}', "config.json: channels must be"),
        ('{"upsampler": "carafe", "channels": 8, "scale": 2, "options": {"k": 1}}', "'k'"),
        ('{"upsampler": "carafe", "channels": 8, "scale": 2, "options": 5}', "config.json: "),
        (
            '{"upsampler": "cascade", "stages": []}',
            "upsamplers must contain at least one",
        ),
        ('{"upsampler": "cascade", "stages": [3]}', "upsampler None is not"),
        ('{"upsampler": "carafe", "channels": 9, "scale": 2}', "weights must fit this car"),
        ('{"upsampler": "fade", "channels": 8, "scale": 2}', "weights must fit this fade"),
        ('{"backbone": {}}', "also holds a backbone: load it with unstride.from_pretrained"),
    ],
)
def test_a_broken_description_gets_one_sentence(config, message, tmp_path):
    CarafeUpsample(8).save_pretrained(tmp_path)
    (tmp_path / CONFIG_NAME).unlink()
    if config is not None:
        (tmp_path / CONFIG_NAME).write_text(config, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        Upsampler.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_weights_that_are_none_are_refused(tmp_path):
    CarafeUpsample(8).save_pretrained(tmp_path)
    (tmp_path / WEIGHTS_NAME).write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"weights cannot be read: .*model\.safetensors: holds no"):
        Upsampler.from_pretrained(tmp_path)
    (tmp_path / WEIGHTS_NAME).rename(tmp_path / "pytorch_model.bin")  # pickles are not looked for
    with pytest.raises(ValueError, match=r"model\.safetensors: no such file"):
        Upsampler.from_pretrained(tmp_path)


def test_weights_that_torch_wrote_are_read_too(tmp_path):
    up, other = CarafeUpsample(8), CarafeUpsample(8)
    torch.save(up.state_dict(), tmp_path / "carafe.pth")
    load_weights(other, tmp_path / "carafe.pth", "carafe")
    assert all(torch.equal(a, b) for a, b in zip(up.parameters(), other.parameters(), strict=True))


def test_another_class_than_the_one_asked(tmp_path):
    Bilinear(8).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a Bilinear, not a CarafeUpsample"):
        CarafeUpsample.from_pretrained(tmp_path)


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    CarafeUpsample(8).save_pretrained(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        CarafeUpsample(8).save_pretrained(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
