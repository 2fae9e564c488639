"""The main job from the shell: whole files, resumed, and one bad image spoils nothing."""

import re
import subprocess
import sys

import pytest
import torch
from PIL import Image, ImageChops
from safetensors import safe_open

from unstride.cli.main import RECIPES_BY_COMMAND, main
from unstride.formats.features import FeatureWriter
from unstride.inference import batch_job as each_image
from unstride.inference import upsample as batch


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
    assert "failed: " in (message := capsys.readouterr().err)
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


def written(out):
    return {p.name: p.stat().st_mtime_ns for p in out.iterdir()}


def test_a_second_run_computes_nothing_and_a_changed_option_everything(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    first = written(out)
    run(photos, out, "--memory", "2GB")  # changes no number, so nothing is to be done
    assert written(out) == first
    run(photos, out, "--size", "32")
    assert all(time > first[name] for name, time in written(out).items())


def test_a_batch_that_was_stopped_goes_on(photos, tmp_path, monkeypatch):
    out, real = tmp_path / "out", FeatureWriter.write

    def stopped(writer, rows, columns, features):
        if "1.safetensors" in writer.file.name:
            raise KeyboardInterrupt
        real(writer, rows, columns, features)

    monkeypatch.setattr(FeatureWriter, "write", stopped)
    assert run(photos, out) == each_image.EXIT_INTERRUPTED
    assert [p.name for p in out.glob("*.safetensors*")] == ["0.safetensors"]
    monkeypatch.setattr(FeatureWriter, "write", real)
    first = written(out)
    run(photos, out)
    assert (out / "1.safetensors").exists()
    assert written(out).items() >= first.items()


def test_a_write_that_fails_leaves_nothing_behind(photos, tmp_path, monkeypatch, capsys):
    def full(writer, rows, columns, features):
        writer.file.write(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(FeatureWriter, "write", full)
    assert run(photos, tmp_path / "out") == 1
    assert "0.png: No space left on device" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_tiles_give_the_same_files(photos, tmp_path, monkeypatch):
    writes, real = [], FeatureWriter.write

    def counted(writer, rows, columns, features):
        writes.append(features.shape)
        real(writer, rows, columns, features)

    monkeypatch.setattr(FeatureWriter, "write", counted)
    options = "--dtype", "float32", "--stride", "8"
    run(photos, whole := tmp_path / "whole", *options)
    assert len(writes) == 2
    monkeypatch.setattr(batch, "remaining_memory", lambda memory, device: memory)
    run(photos, tiled := tmp_path / "tiled", *options, "--memory", "4MB")
    assert len(writes) > 2 + 2  # as many again, if both were written whole
    for name in ("0.safetensors", "1.safetensors"):
        with (
            safe_open(whole / name, framework="pt") as one,
            safe_open(tiled / name, framework="pt") as other,
        ):
            assert one.metadata() == other.metadata()
            torch.testing.assert_close(one.get_tensor("features"), other.get_tensor("features"))
    for name in ("0.png", "1.png"):
        with Image.open(whole / name) as one, Image.open(tiled / name) as other:
            assert ImageChops.difference(one, other).getextrema()[0][1] <= 1


@pytest.mark.parametrize("text", ["8", "GB", "0GB", "-1GB", "8 Go", "8GBs"])
def test_memory_that_is_none(text, photos, capsys):
    assert main(["upsample", str(photos / "0.png"), f"--memory={text}"]) == 1
    assert f"memory must be a size such as 8GB or 500MB, got '{text}'" in capsys.readouterr().err


def test_too_little_memory_is_one_line_that_says_how_much_is_needed(photos, tmp_path, capsys):
    assert run(photos / "0.png", tmp_path / "out", "--memory", "1MB") == 1
    error = capsys.readouterr().err
    assert "0.png: memory must leave " in error
    assert " MB for Bilinear at 64 x 96 pixels in the smallest tiles, but leaves 0.00 MB" in error
    assert not (tmp_path / "out").exists()


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
    targets = each_image._output_stems(paths, tmp_path / "out")
    assert len(set(targets)) == 3
    assert each_image._output_stems(paths[:1], tmp_path / "out") == [tmp_path / "out" / "x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upsample", "nowhere.jpg"], "no image found at nowhere.jpg"),
        (["upsample", "https://host/a.jpg"], "https://host/a.jpg: addresses are not read"),
        (["explain", "https://host/a.jpg", "--at", "1,1"], "addresses are not read"),
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


WITHOUT_EXTRA = """
import sys
sys.modules |= dict.fromkeys(
    ("pytorch_lightning", "torchdata", "torchmetrics", "tensorboard", "faster_coco_eval")
)
from unstride.cli.main import PRETRAINING_RECIPES, RECIPES_BY_COMMAND, main

required = dict.fromkeys(("featup", "inpainting", *PRETRAINING_RECIPES), ["--images", "a.png"])
required["matting"] = ["--foregrounds", "a.png", "--backgrounds", "b.png"]
required["affinity"] = ["--bsds", "x"]
for command, recipes in RECIPES_BY_COMMAND.items():
    for recipe in recipes:
        try:
            main([command, recipe, "--help"])
        except SystemExit as stop:
            print("HELPED", command, recipe, stop.code)
        print("ENDED", main([command, recipe, *required.get(recipe, ["--data", "x"])]))
try:
    main(["eval", "--help"])
except SystemExit as stop:
    print("HELPED eval", stop.code)
print("ENDED", main(["eval", "features", "--measure", "cost", "--upsamplers", "nearest"]))
import unstride.inference.predict
"""


def test_help_needs_no_extra_and_training_says_which_one_it_needs():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    runs = [(command, r) for command, recipes in RECIPES_BY_COMMAND.items() for r in recipes]
    helped = [line for line in done.stdout.splitlines() if line.startswith("HELPED")]
    assert helped == [*(f"HELPED {command} {r} 0" for command, r in runs), "HELPED eval 0"]
    assert done.stdout.count("--steps N") >= len(runs)
    assert done.stdout.count("ENDED 1\n") == len(runs) + 1
    said = done.stderr.splitlines()
    assert len(said) == len(runs) + 1
    for line, command in zip(said, [*(command for command, _ in runs), "eval"], strict=True):
        assert re.fullmatch(
            rf"unstride {command}: package \w+ is missing; run: pip install 'unstride\[train\]'",
            line,
        )


def test_a_package_that_is_missing_without_a_name_is_told_of_too(monkeypatch, capsys):
    def refuse(*_):
        raise ModuleNotFoundError("Neither `tensorboard` nor `tensorboardX` is available.")

    monkeypatch.setattr("unstride.cli.fit.run_recipe", refuse)
    assert main(["fit", "segmentation"]) == 1
    said = capsys.readouterr().err
    assert said == "unstride fit: a package is missing; run: pip install 'unstride[train]'\n"


def test_costs_are_the_published_ones(capsys):
    assert main(["list", "--cost", "--channels", "256"]) == 0
    rows = [line.split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    costs = {row[1].strip(): tuple(cell.strip() for cell in row[3:5]) for row in rows}
    assert costs["carafe"] == ("74,148", "199,496")  # CARAFE, section 5.3
    assert costs["dysample"][0] == "8,224"
    assert costs["sapa"][0] == "33,920"
    assert costs["fade"][0] == "47,514"
    assert costs["deconv"][0] == f"{4**2 * 256**2 + 256:,}"  # of side 4, to begin as bilinear
    assert costs["naf"][0] == "662,528"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--scale", "0"), "unstride list: nearest: scale must be at least 1, got 0"),
        (("--channels", "6"), "unstride list: dysample: groups must divide the 6 channels, got 4"),
    ],
)
def test_costs_of_what_cannot_be_made_are_refused(option, message, capsys):
    assert main(["list", "--cost", *option]) == 1
    assert capsys.readouterr().err.strip() == message


def test_list_and_help_teach(capsys):
    assert main(["list"]) == 0
    assert "featup_jbu" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["upsample", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Default: the size of each image" in text
    assert "The default needs no download" in text


@pytest.mark.parametrize(
    "words",
    [["upsample"], ["explain"], ["eval"], *(["fit", name] for name in RECIPES_BY_COMMAND["fit"])],
    ids=" ".join,
)
def test_help_of_what_loads_weights_says_the_terms_of_their_data(words, capsys):
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "the code is Apache-2.0" in text
    assert "ImageNet and BSDS500 (both for non-commercial research)" in text
    assert "COCO (annotations CC BY 4.0" in text
    assert "unstride/weights/README.md" in text
