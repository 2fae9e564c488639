"""The main job from the shell: whole files, resumed, and one bad image spoils nothing."""

import sys

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from unstride.cli import main
from unstride.models import batch


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, size in enumerate([(70, 50), (64, 64)]):
        Image.effect_noise(size, 80).convert("RGB").save(folder / f"{i}.png")
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 but no more")
    return folder


def run(photos, out, *options):
    return main(["upsample", str(photos), "--out", str(out), "--upsampler", "bilinear", *options])


def test_files_with_their_description_and_a_picture(photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(photos, out) == 1
    assert "not done" in (message := capsys.readouterr().err)
    assert "bad.jpg: " in message
    assert "2 of 3 images" in message
    assert sorted(p.name for p in out.iterdir()) == [
        "0.png",
        "0.safetensors",
        "1.png",
        "1.safetensors",
    ]
    with safe_open(out / "0.safetensors", framework="pt") as file:
        features, metadata = file.get_tensor("features"), file.metadata()
    assert features.shape == (320, 50, 70)
    assert features.dtype == torch.float16
    assert metadata["backbone"] == "tf_efficientnet_lite0"
    assert metadata["size"] == "50x70"
    assert metadata["upsampler"] == "bilinear"
    assert len(metadata["weights"]) == 16
    assert metadata["unstride"]
    with Image.open(out / "0.png") as picture:
        assert picture.width > 2 * picture.height


def test_a_second_run_computes_nothing_and_a_changed_option_everything(
    photos, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    run(photos, out)
    saved = []
    monkeypatch.setattr(batch, "_save", lambda features, path, metadata: saved.append(path.name))
    run(photos, out)
    assert saved == []
    run(photos, out, "--size", "32")
    assert saved == ["0.safetensors", "1.safetensors"]


def test_a_batch_that_was_stopped_goes_on(photos, tmp_path, monkeypatch):
    out, real = tmp_path / "out", batch._save

    def stopped(features, path, metadata):
        if path.name.startswith("1"):
            raise KeyboardInterrupt
        real(features, path, metadata)

    monkeypatch.setattr(batch, "_save", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(photos, out)
    assert (out / "0.safetensors").exists()
    assert not (out / "1.safetensors").exists()
    monkeypatch.setattr(batch, "_save", real)
    run(photos, out)
    assert (out / "1.safetensors").exists()


def test_a_write_that_fails_leaves_nothing_behind(photos, tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(batch, "save_file", full)
    assert run(photos, tmp_path / "out", "--picture", "false") == 1
    assert not list((tmp_path / "out").rglob("*.safetensors*"))


@pytest.mark.parametrize(("text", "size"), [(None, None), ("480", 480), ("48x64", (48, 64))])
def test_sizes(text, size):
    assert batch.parse_size(text) == size


@pytest.mark.parametrize("text", ["0", "48x", "x", "-3", "48x0", "1e3"])
def test_sizes_that_are_none(text, tmp_path, capsys):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert main(["upsample", str(tmp_path / "a.png"), f"--size={text}"]) == 1
    assert "size must be" in capsys.readouterr().err


def test_one_number_is_the_shorter_side():
    image = torch.zeros(1, 3, 60, 90)
    assert batch.output_size(image, 30) == (30, 45)
    assert batch.output_size(image, None) == (60, 90)
    assert batch.output_size(image, (5, 6)) == (5, 6)


def test_names_that_clash_keep_their_folders(tmp_path):
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "b" / "x.jpg"]
    targets = batch._targets(paths, tmp_path / "out")
    assert len(set(targets)) == 3
    assert batch._targets(paths[:1], tmp_path / "out") == [tmp_path / "out" / "x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upsample", "nowhere.jpg"], "no image found at nowhere.jpg"),
        (["upsample", "{photo}", "--backbone", "resnot"], "backbone must be a timm model"),
        (["upsample", "{photo}", "--upsampler", "none"], "upsampler must be one of"),
        (["upsample", "{photo}", "--stride", "5"], "stride must be one of"),
    ],
)
def test_mistakes_get_one_sentence(arguments, message, photos, capsys):
    code = main([a.format(photo=photos / "0.png") for a in arguments])
    assert code == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_training_without_its_extra_says_what_to_install(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "unstride.recipes.featup", raising=False)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)
    assert main(["fit", "featup", "--help"]) == 1
    assert "pip install 'unstride[train]'" in capsys.readouterr().err


def test_costs_are_the_published_ones(capsys):
    assert main(["list", "--cost", "--channels", "256"]) == 0
    rows = [line.split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    costs = {row[1].strip(): tuple(cell.strip() for cell in row[3:5]) for row in rows}
    assert costs["carafe"] == ("74,148", "199,496")  # CARAFE, section 5.3
    assert costs["dysample"][0] == "8,224"
    assert costs["sapa"][0] == "33,920"
    assert costs["fade"][0] == "47,514"
    assert costs["deconv"][0] == f"{9 * 256**2 + 256:,}"
    assert costs["naf"][0] == "662,528"


def test_list_and_help_teach(capsys):
    assert main(["list"]) == 0
    assert "featup_jbu" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["upsample", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "by default that of each image" in text
    assert "the default needs no download" in text
