"""`unstride inpaint`: holes are filled, other pixels come back byte for byte, and runs resume."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from unstride.cli.main import main
from unstride.inference.classical_inpainting import CLASSICAL
from unstride.inference.inpaint import DEFAULT_MODEL
from unstride.models.inpainting.by_name import create_inpainter, read_inpainter
from unstride.models.network_folder import write_network

RANDOM = np.random.default_rng(0)
HOLE = np.zeros((40, 48), np.uint8)
HOLE[10:20, 14:30] = 255


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    network = create_inpainter("deepfill", width=4)
    config = {"model": "deepfill", "options": {"width": 4}}
    write_network(folder, "inpainting", config, network)
    return folder


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, mode in (("a.png", "RGB"), ("b.png", "LA"), ("c.jpg", "RGB")):
        values = RANDOM.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(values).convert(mode).save(folder / name)
    Image.fromarray(HOLE).save(tmp_path / "mask.png")
    return folder


def run(photos, *words):
    out = photos.parent / "out"
    return main(["inpaint", str(photos), "--out", str(out), *map(str, words)]), out


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_holes_are_filled_and_every_other_byte_stays(photos, model, tmp_path):
    code, out = run(photos, "--mask", tmp_path / "mask.png", "--model", model)
    assert code == 0
    for name in ("a.png", "b.png", "c.jpg"):
        before, after = pixels(photos / name), pixels(out / f"{name[0]}.png")
        assert (before[HOLE == 0] == after[HOLE == 0]).all()
        assert (before[HOLE > 0] != after[HOLE > 0]).any()
    network = read_inpainter(model)
    image = torch.from_numpy(pixels(photos / "a.png").copy()).permute(2, 0, 1)[None] / 255
    filled = network(image, torch.from_numpy(HOLE > 0)[None, None])[0].permute(1, 2, 0)
    np.testing.assert_array_equal(pixels(out / "a.png"), (filled * 255).round().byte().numpy())


@pytest.mark.parametrize("method", CLASSICAL)
def test_every_classical_method_fills_the_hole_alone(method, photos, tmp_path):
    code, out = run(photos, "--mask", tmp_path / "mask.png", "--method", method)
    assert code == 0
    before, after = pixels(photos / "a.png"), pixels(out / "a.png")
    assert (before[HOLE == 0] == after[HOLE == 0]).all()
    inside = after[HOLE > 0].astype(float)
    assert inside.std() < before[HOLE > 0].std()
    if method == "mean":
        mean = before[HOLE == 0].mean(0)
        np.testing.assert_allclose(inside, np.broadcast_to(mean, inside.shape), atol=0.5)


def test_a_folder_of_masks_has_one_for_each_image_by_its_name(photos, model, tmp_path, capsys):
    masks = tmp_path / "masks"
    masks.mkdir()
    for name, columns in (("a", slice(0, 5)), ("b", slice(40, 48))):
        mask = np.zeros_like(HOLE)
        mask[:, columns] = 255
        Image.fromarray(mask).save(masks / f"{name}.png")
    code, out = run(photos, "--mask", masks, "--model", model)
    assert code == 1
    assert "masks has no mask named c" in " ".join(capsys.readouterr().err.split())
    for name, columns in (("a", slice(0, 5)), ("b", slice(40, 48))):
        changed = pixels(out / f"{name}.png") != pixels(photos / f"{name}.png")
        assert changed[:, columns].any()
        changed[:, columns] = False
        assert not changed.any()
    Image.fromarray(HOLE).save(masks / "c.bmp")
    Image.fromarray(HOLE).save(masks / "c.png")
    code, _ = run(photos, "--mask", masks, "--model", model)
    assert "masks has 2 masks named c" in " ".join(capsys.readouterr().err.split())


def test_black_can_be_the_hole(photos, model, tmp_path):
    Image.fromarray(255 - HOLE).save(tmp_path / "black.png")
    _, out = run(photos, "--mask", tmp_path / "mask.png", "--model", model)
    expected = pixels(out / "a.png")
    code, _ = run(photos, "--mask", tmp_path / "black.png", "--hole", "black", "--model", model)
    assert code == 0
    np.testing.assert_array_equal(pixels(out / "a.png"), expected)


def test_an_empty_mask_copies_the_file_and_a_full_one_is_refused(photos, model, tmp_path, capsys):
    Image.fromarray(np.zeros_like(HOLE)).save(tmp_path / "empty.png")
    code, out = run(photos, "--mask", tmp_path / "empty.png", "--model", model)
    assert code == 0
    assert (out / "c.jpg").read_bytes() == (photos / "c.jpg").read_bytes()
    assert "the mask is empty, the image is copied" in capsys.readouterr().err
    Image.fromarray(np.full_like(HOLE, 255)).save(tmp_path / "full.png")
    code, _ = run(photos, "--mask", tmp_path / "full.png", "--model", model)
    assert code == 1
    assert "the hole covers the whole image" in " ".join(capsys.readouterr().err.split())


def test_what_is_done_is_skipped_unless_something_changed(photos, model, tmp_path):
    words = "--mask", tmp_path / "mask.png", "--model", model
    _, out = run(photos, *words)
    for path in out.glob("*.png"):
        os.utime(path, (1, 1))
    run(photos, *words)
    assert all(path.stat().st_mtime == 1 for path in out.glob("*.png"))
    (out / "a.png").unlink()
    smaller = HOLE.copy()
    smaller[:12] = 0
    run(photos, *words)
    assert (out / "a.png").stat().st_mtime != 1
    assert (out / "b.png").stat().st_mtime == 1
    Image.fromarray(smaller).save(tmp_path / "mask.png")
    run(photos, *words)
    assert (out / "b.png").stat().st_mtime != 1


def test_the_attention_map_is_a_picture_of_the_image(photos, model, tmp_path):
    words = "--mask", tmp_path / "mask.png", "--model", model, "--attention-map", "true"
    code, out = run(photos, *words)
    assert code == 0
    picture = pixels(out / "attention" / "a.png")
    assert picture.shape == (40, 48, 3)
    assert picture[HOLE > 0].std() > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mask", "none.png"], "mask must be a file or a folder, none.png does not exist"),
        (["--threshold", "0"], "threshold must be from 1 to 255, got 0"),
        (["--method", "telea", "--model", "x"], "method telea has no model and no attention map"),
        (["--model", "x"], "x has no config.json"),
    ],
)
def test_impossible_options_are_refused_before_work_starts(words, message, photos, capsys):
    given = ["--mask", str(photos.parent / "mask.png"), *words]
    assert run(photos, *given)[0] == 1
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_missing_package_is_named_before_work_starts(photos, monkeypatch, capsys):
    monkeypatch.setattr("unstride.inference.extras.find_spec", lambda package: None)
    assert run(photos, "--mask", photos.parent / "mask.png", "--method", "telea")[0] == 1
    message = "package cv2 is missing; run: pip install 'unstride[inpaint]'"
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_model_of_another_task_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"task": "depth"}', encoding="utf-8")
    with pytest.raises(ValueError, match="task must be inpainting, with a model and options, got"):
        read_inpainter(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "config.json").rename(tmp_path / "model" / "config.json")
    with pytest.raises(ValueError, match=r"has no config.json, use .*model instead"):
        read_inpainter(tmp_path)


def test_the_network_of_the_package_is_small_and_the_default(photos, tmp_path):
    weights = DEFAULT_MODEL / "model.safetensors"
    assert weights.stat().st_size < 15_000_000
    code, out = run(photos, "--mask", tmp_path / "mask.png")
    assert code == 0
    before, after = pixels(photos / "a.png"), pixels(out / "a.png")
    assert (before[HOLE == 0] == after[HOLE == 0]).all()
    grey = np.full((40, 48, 3), 90, np.uint8)
    Image.fromarray(grey).save(photos / "a.png")
    run(photos, "--mask", tmp_path / "mask.png")
    assert abs(pixels(out / "a.png")[HOLE > 0].astype(float).mean() - 90) < 25
