"""`unstride matte`: alpha, cut-outs and composites; known pixels are exact, and runs resume."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image

if find_spec("pymatting") is None:
    pytest.skip("the extra 'matting' is not installed", allow_module_level=True)

import itertools

from unstride.cli.main import main
from unstride.formats.alpha import load_alpha
from unstride.formats.coco_panoptic import write_segment_ids
from unstride.formats.cutouts import load_cutout
from unstride.inference.backgrounds import composite, parse_background
from unstride.inference.classical_matting import CLASSICAL_MATTING, load_pymatting, on_small_copy
from unstride.inference.network_matting import network_alpha, ramp, spans
from unstride.inference.trimaps import parse_box
from unstride.models.matting.by_name import create_matting_network
from unstride.models.network_folder import write_network

SIZE = 48, 64


def scene():
    """An object with a soft edge over a ground of another colour."""
    x = torch.arange(SIZE[1]).expand(SIZE)
    alpha = ((x - 26) / 12).clamp(0, 1)
    front, back = torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.8])
    return alpha * front[:, None, None] + (1 - alpha) * back[:, None, None], alpha


@pytest.fixture
def photo(tmp_path):
    image, _ = scene()
    array = (image * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(array).save(tmp_path / "photo.png")
    trimap = np.full(SIZE, 128, np.uint8)
    trimap[:, :20], trimap[:, 44:] = 0, 255
    Image.fromarray(trimap).save(tmp_path / "trimap.png")
    return tmp_path / "photo.png"


def run(photo, *words):
    out = photo.parent / "out"
    return main(["matte", str(photo), "--out", str(out), *map(str, words)]), out


@pytest.mark.parametrize("method", CLASSICAL_MATTING)
def test_every_method_finds_the_edge_and_known_pixels_are_exact(method, photo):
    code, out = run(photo, "--trimap", photo.parent / "trimap.png", "--method", method)
    assert code == 0
    alpha, (_, truth) = load_alpha(out / "alpha" / "photo.png"), scene()
    assert alpha[:, :20].eq(0).all()
    assert alpha[:, 44:].eq(1).all()
    assert (alpha - truth).abs().mean() < 0.08  # no method knows how soft the edge is
    colours = load_cutout(out / "cutout" / "photo.png")[:3]
    is_seen = truth > 0.3
    assert (colours[:, is_seen] - torch.tensor([[0.9], [0.2], [0.1]])).abs().max() < 0.12


def test_the_composite_lies_over_the_colour_or_the_picture(photo, tmp_path):
    words = "--trimap", photo.parent / "trimap.png", "--background"
    code, out = run(photo, *words, "#00ff00")
    assert code == 0
    composed = np.asarray(Image.open(out / "composite" / "photo.png")).astype(int)
    assert (composed[:, :20] == [0, 255, 0]).all()
    Image.new("RGB", (30, 90), "white").save(tmp_path / "white.png")
    run(photo, *words, tmp_path / "white.png")
    composed = np.asarray(Image.open(out / "composite" / "photo.png")).astype(int)
    assert (composed[:, :20] == 255).all()


def test_a_trimap_can_come_from_a_mask_a_box_and_a_prediction(photo, tmp_path):
    mask = np.zeros(SIZE, np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    predictions = tmp_path / "predictions"
    (predictions / "panoptic").mkdir(parents=True)
    (predictions / "records").mkdir()
    write_segment_ids(predictions / "panoptic" / "photo.png", torch.from_numpy(mask > 0) * 7)
    categories = [{"id": 3, "name": "cat", "isthing": 1}, {"id": 4, "name": "dog", "isthing": 1}]
    document = {"images": [], "annotations": [], "categories": categories}
    (predictions / "panoptic.json").write_text(json.dumps(document), encoding="utf-8")
    record = {"found": {"segments_info": [{"id": 7, "category_id": 3}]}}
    (predictions / "records" / "photo.json").write_text(json.dumps(record), encoding="utf-8")
    mattes = []
    for words in (
        ("--from-mask", tmp_path / "mask.png"),
        ("--from-box", "32,0,64,48"),
        ("--from-prediction", predictions, "--category", "cat"),
    ):
        code, out = run(photo, *words, "--margin", 12)
        assert code == 0
        mattes.append(load_alpha(out / "alpha" / "photo.png"))
        assert mattes[-1][:, :20].eq(0).all()
        assert mattes[-1][:, 44:].eq(1).all()
    assert torch.equal(mattes[0], mattes[1])
    assert torch.equal(mattes[0], mattes[2])


def test_what_is_done_is_skipped_unless_something_changed(photo):
    words = "--trimap", photo.parent / "trimap.png"
    _, out = run(photo, *words)
    file = out / "alpha" / "photo.png"
    os.utime(file, (1, 1))
    run(photo, *words)
    assert file.stat().st_mtime == 1
    run(photo, *words, "--method", "knn")
    assert file.stat().st_mtime != 1


def test_a_trained_network_predicts(photo, tmp_path):
    options = {"width": 16, "blocks": [1, 1, 1]}
    network = create_matting_network("a2u_net", **options)
    write_network(tmp_path / "net", "matting", {"model": "a2u_net", "options": options}, network)
    code, out = run(photo, "--trimap", photo.parent / "trimap.png", "--model", tmp_path / "net")
    assert code == 0
    alpha = load_alpha(out / "alpha" / "photo.png")
    assert alpha[:, :20].eq(0).all()
    assert alpha[:, 44:].eq(1).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of --trimap, --from-mask, --from-box, --from-prediction"),
        (["--trimap", "t", "--from-box", "1,2,3,4"], "give one of --trimap"),
        (["--trimap", "none.png"], "none.png does not exist"),
        (["--from-box", "1,2,3"], "from_box must be LEFT,TOP,RIGHT,BOTTOM, got '1,2,3'"),
        (["--from-box", "9,2,3,4"], "from_box must hold pixels, got '9,2,3,4'"),
        (["--from-box", "1,2,9,9", "--margin", "-1"], "margin must be at least 0, got -1"),
        (["--from-box", "1,2,9,9", "--background", "bluish"], "colour must be a name or a number"),
        (["--from-box", "1,2,9,9", "--margin", "30"], "no object is left beyond a margin of 30"),
        (["--from-box", "1,2,9,9", "--model", "x"], "x has no config.json"),
    ],
)
def test_impossible_requests_are_refused_in_a_sentence(words, message, photo, capsys):
    assert run(photo, *words)[0] == 1
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_missing_package_is_named_before_work_starts(photo, monkeypatch, capsys):
    monkeypatch.setattr("unstride.inference.extras.find_spec", lambda package: None)
    assert run(photo, "--trimap", photo.parent / "trimap.png")[0] == 1
    message = "package pymatting is missing; run: pip install 'unstride[matting]'"
    assert message in " ".join(capsys.readouterr().err.split())


def test_predictions_without_the_category_are_refused(photo, tmp_path, capsys):
    assert run(photo, "--from-prediction", tmp_path, "--category", "cat")[0] == 1
    assert "has no record of photo; write it with unstride predict" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_large_image_is_solved_on_a_copy_and_enlarged_with_its_edges():
    image, truth = scene()
    image, truth = (
        torch.nn.functional.interpolate(t, scale_factor=3, mode="nearest")
        for t in (image[None], truth[None, None])
    )
    trimap = torch.full(truth.shape[2:], 128, dtype=torch.uint8)
    trimap[:, :60], trimap[:, 132:] = 0, 255
    seen = []

    def estimate(array, trimap):
        seen.append(array.shape)
        return load_pymatting().estimate_alpha_cf(array, trimap)

    alpha = on_small_copy(estimate, image, trimap, max_pixels=48 * 64)
    assert seen == [(48, 64, 3)]
    assert alpha.shape == truth.shape[2:]
    assert (alpha - truth[0, 0]).abs().mean() < 0.06


def test_pymatting_leaves_the_number_of_threads():
    told = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, encoding="utf-8", check=True
    )
    assert told.stdout.split() == ["1", "1"]


THREADS = """
import torch
from unstride.inference.backgrounds import composite, parse_background
from unstride.inference.classical_matting import load_pymatting

torch.set_num_threads(1)
print(torch.get_num_threads())
load_pymatting()
print(torch.get_num_threads())
"""


def test_tiles_cover_all_overlap_and_blend():
    for length in (1, 60, 64, 65, 127, 128, 200, 1000):
        parts = spans(length, 64, 16)
        assert parts[0][0] == 0
        assert parts[-1][1] == length
        assert all(b - a <= 64 for a, b in parts)
        assert all(a[1] - b[0] >= 16 for a, b in itertools.pairwise(parts))
    assert ramp(8, 4).tolist() == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]

    class Colours(torch.nn.Module):
        def forward(self, image, trimap):
            return image[:, :1]

    image = torch.rand(1, 3, 90, 150)
    trimap = torch.full((90, 150), 128, dtype=torch.uint8)
    alpha = network_alpha(Colours(), image, trimap, tile=64, overlap=16)
    torch.testing.assert_close(alpha, image[0, 0])


def test_boxes_colours_and_composites():
    assert parse_box("1, 2,30,40") == (1, 2, 30, 40)
    assert parse_background("") is None
    assert parse_background("#ff0080").flatten().tolist() == pytest.approx([1, 0, 128 / 255])
    colours, alpha = torch.rand(3, 4, 5), torch.rand(4, 5)
    white = composite(colours, alpha, torch.ones(3, 1, 1))
    torch.testing.assert_close(white, alpha * colours + 1 - alpha)
    picture = torch.zeros(3, 8, 40)
    picture[:, :, 12:27] = 1  # the middle, which is all that is kept
    assert composite(colours, torch.zeros(4, 5), picture).min() > 0.99
