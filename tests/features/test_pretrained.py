"""A backbone and its upsampler in a folder: both as they were trained."""

import json
import re

import pytest
import torch
from PIL import Image
from safetensors import safe_open

import unstride
from tests.features.test_dense_features import Coordinates
from tests.saving.test_folder import Own
from unstride.backbones.timm_backbone import Backbone
from unstride.cli.main import main
from unstride.inference.from_names import build_model
from unstride.saving.fingerprint import weights_fingerprint
from unstride.upsamplers import Bilinear, CarafeUpsample, Cascade, Upsampler


def dense(up="carafe", **options):
    trunk = unstride.create_backbone("resnet10t", pretrained=False, stride=16)
    up = unstride.create_upsampler(up, trunk.channels, 2, **options)
    return unstride.DenseFeatures(trunk, up).eval()


def test_both_come_back_with_what_they_learned(tmp_path):
    model = dense(kernel_size=3)
    for p in model.parameters():
        p.data.add_(0.01 * torch.randn_like(p))
    model.save_pretrained(tmp_path)
    image = torch.rand(1, 3, 40, 70)
    for again in (
        unstride.from_pretrained(tmp_path),
        unstride.DenseFeatures.from_pretrained(tmp_path),
    ):
        assert not again.training
        assert again.backbone.stride == 16
        assert torch.equal(again(image, (20, 30)), model(image, (20, 30)))
    with pytest.raises(ValueError, match="also holds a backbone: load it with"):
        Upsampler.from_pretrained(tmp_path)


def test_an_upsampler_alone_and_a_class_of_ones_own(tmp_path):
    unstride.create_upsampler("carafe", 8).save_pretrained(tmp_path / "up")
    assert isinstance(unstride.from_pretrained(tmp_path / "up"), CarafeUpsample)
    with pytest.raises(ValueError, match="holds a carafe without a backbone"):
        unstride.DenseFeatures.from_pretrained(tmp_path / "up")
    model = dense()
    model.upsampler = Own(model.backbone.channels)
    model.save_pretrained(tmp_path / "own")
    again = unstride.from_pretrained(tmp_path / "own", classes=[Own])
    assert torch.equal(again.upsampler.gain, model.upsampler.gain)
    with pytest.raises(ValueError, match="upsampler 'Own' is not in this library"):
        unstride.from_pretrained(tmp_path / "own")


def test_what_cannot_be_made_again_is_not_saved(tmp_path):
    up = Bilinear(2)
    for trunk in (Coordinates(8, 8), Backbone(dense().backbone.model)):
        with pytest.raises(ValueError, match="backbone must come from create_backbone"):
            unstride.DenseFeatures(trunk, up).save_pretrained(tmp_path / "no")
    with pytest.raises(ValueError, match="only an Upsampler can be saved, got a Identity"):
        unstride.DenseFeatures(dense().backbone, torch.nn.Identity()).save_pretrained(tmp_path)
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "backbone",
    [{}, 3, {"name": "resnot", "stride": 16}, {"name": "hf-hub:a/b", "stride": 16},
     {"name": "resnet10t", "stride": 5}, {"name": ["resnet10t"], "stride": 16}],
)  # fmt: skip
def test_a_folder_that_asks_for_another_backbone_gets_one_sentence(backbone, tmp_path):
    dense().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"backbone": backbone}), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"config\.json: ") as caught:
        unstride.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def photo(tmp_path):
    Image.effect_noise((40, 33), 80).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def trained(tmp_path):
    """Folders of upsamplers for the default backbone's 320 channels."""
    ups = {
        "carafe": CarafeUpsample(320, 2, kernel_size=3, compressed_channels=8),
        "featup": unstride.create_upsampler("featup_jbu", 48, 8),
        "twice": Cascade(CarafeUpsample(320, 2), CarafeUpsample(320, 2)),
        "mixed": Cascade(CarafeUpsample(320, 2), Bilinear(320, 2)),
        "sapa": unstride.create_upsampler("sapa", 320, guide_channels=5),
    }
    for name, up in ups.items():
        up.save_pretrained(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("upsampler", "held"),
    [("carafe", "carafe"), ("carafe", "twice"), ("featup_jbu", "featup"),
     ("featup_jbu", "featup/model.safetensors")],
)  # fmt: skip
def test_the_main_command_builds_with_a_folder_or_a_file(upsampler, held, trained):
    model, metadata = build_model(
        "tf_efficientnet_lite0", upsampler, None, upsampler_weights=trained / held
    )
    expected = Upsampler.from_pretrained(trained / held.split("/")[0]).state_dict()
    for name, value in model.upsampler.state_dict().items():
        assert torch.equal(value, expected[name])
    assert metadata["upsampler_weights"] == weights_fingerprint(model.upsampler)
    # Options are not in the tensors: another of them must be computed again.
    assert ("upsampler_made_with" in metadata) is not held.endswith(".safetensors")


def test_upsample_takes_weights(trained, photo, capsys):
    run = ["upsample", str(photo), "--out", str(photo.parent / "out"), "--picture", "false"]
    weights = ["--upsampler", "carafe", "--weights", str(trained / "carafe")]
    assert main([*run, *weights]) == 0, capsys.readouterr().err
    with safe_open(photo.parent / "out" / "photo.safetensors", framework="pt") as file:
        features, metadata = file.get_tensor("features"), file.metadata()
    assert '"compressed_channels": 8' in metadata["upsampler_made_with"]
    size = "x".join(map(str, unstride.load_image(photo).shape[2:]))
    assert metadata["image_size"] == metadata["size"] == size
    up = CarafeUpsample.from_pretrained(trained / "carafe")
    model = unstride.DenseFeatures(unstride.create_backbone(), up)
    with torch.inference_mode():
        assert torch.equal(features, model(unstride.load_image(photo))[0].half())


def test_upsample_reads_the_backbones_weights(photo, tmp_path, capsys):
    run = ["upsample", str(photo), "--out", str(tmp_path), "--backbone_weights"]
    assert main([*run, str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize(
    ("upsampler", "held", "message"),
    [
        ("featup_jbu", "carafe", "upsampler must be carafe, as saved in .*carafe, got featup_jbu"),
        ("carafe", "mixed", "upsampler must be .*, as saved in .*mixed, got carafe"),
        ("sapa", "sapa", "cannot take an image as its guide"),
        ("carafe", "", "has no config.json"),
        ("carafe", "nowhere", "weights cannot be read: .*nowhere: no such file"),
        ("carafe", "featup/model.safetensors", "weights must fit this carafe"),
    ],
)
def test_weights_of_something_else_get_one_sentence(
    upsampler, held, message, trained, photo, capsys
):
    weights = ["--upsampler", upsampler, "--weights", str(trained / held)]
    assert main(["upsample", str(photo), "--out", str(photo.parent / "out"), *weights]) == 1
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1
