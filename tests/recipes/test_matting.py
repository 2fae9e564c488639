"""`unstride fit matting`: it learns, resumes, and leaves a network that predicts alpha."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytest.importorskip("scipy", reason="the extra 'matting' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from unstride.cli.main import main
from unstride.datasets.composition import Compositions
from unstride.models.matting.by_name import create_matting_network, read_matting_network
from unstride.recipes import matting
from unstride.recipes.matting_options import Options
from unstride.transforms.matting_augment import MattingAugmentation

SMALL = {"width": 16, "blocks": (1, 1, 1)}
TINY = {
    "steps": 3, "batch_size": 2, "size": (32, 32), "model_options": SMALL, "device": "cpu",
    "trimap_widths": (1, 4), "save_every": 1, "val_every": 2, "val_trimaps": "trimap1",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("matting")
    for folder in ("cutouts", "photos", "val/images", "val/alpha", "val/trimap1"):
        (root / folder).mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(3):
        alpha = np.zeros((50, 60), np.uint8)
        alpha[10:40, 15:45], alpha[9], alpha[40] = 255, 100, 60
        colours = random.integers(0, 256, (50, 60, 3), dtype=np.uint8)
        rgba = np.dstack([colours, alpha])
        Image.fromarray(rgba, "RGBA").save(root / "cutouts" / f"{i}.png")
        Image.fromarray(colours).save(root / "photos" / f"{i}.png")
    trimap = np.full((50, 60), 128, np.uint8)
    trimap[:5], trimap[15:35, 20:40] = 0, 255
    for name, values in (("images", colours), ("alpha", alpha), ("trimap1", trimap)):
        Image.fromarray(values).save(root / "val" / name / "a.png")
    return root


def options_of(data, out, **changes):
    given = {
        "foregrounds": str(data / "cutouts"), "backgrounds": str(data / "photos"),
        "val_data": data / "val", "out": out,
    }  # fmt: skip
    return Options(**(given | TINY | changes))


def card(options):
    return json.loads((options.out / "card.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "index_net", "model_options": {"width": 0.125, "blocks": (1,) * 7},
         "gradient_weight": 0.1, "laplacian_weight": 0.1, "lr_schedule": "constant"},
    ],
    ids=["a2u", "index"],
)  # fmt: skip
def test_it_trains_and_leaves_a_network(changes, data, tmp_path):
    options = options_of(data, tmp_path / "out", **changes)
    assert matting.fit(options).keys() == {"sad", "mse", "grad", "conn"}
    assert len(card(options)["curve"]) == 3
    network = read_matting_network(options.out / "model")
    trimap = torch.full((1, 1, 40, 50), 128, dtype=torch.uint8)
    assert network(torch.rand(1, 3, 40, 50), trimap).isfinite().all()
    torch.manual_seed(options.seed)
    start = create_matting_network(options.model, **options.model_options)
    trained = load_file(options.out / "model" / "model.safetensors")
    kernels = [name for name, p in start.named_parameters() if p.ndim == 4 and name in trained]
    assert all(not torch.equal(start.state_dict()[n], trained[n]) for n in kernels)


def test_a_stopped_run_goes_on_to_the_same_weights(data, tmp_path, monkeypatch):
    whole = options_of(data, tmp_path / "whole", steps=4)
    matting.fit(whole)
    stopped = replace(whole, out=tmp_path / "stopped")
    step = matting.MattingLearner.training_step

    def until_the_third(self, batch, index):
        if self.global_step == 2:
            raise KeyboardInterrupt
        return step(self, batch, index)

    monkeypatch.setattr(matting.MattingLearner, "training_step", until_the_third)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        matting.fit(stopped)
    monkeypatch.setattr(matting.MattingLearner, "training_step", step)
    matting.fit(stopped)
    assert card(stopped)["curve"] == card(whole)["curve"]


def test_a_composite_is_the_sum_of_its_parts_and_depends_on_its_index_alone(data):
    cutouts, photos = (sorted((data / name).iterdir()) for name in ("cutouts", "photos"))
    augmentation = MattingAugmentation((32, 40), (1, 4))
    samples = Compositions(cutouts, photos, augmentation, length=6, seed=3)
    for index in range(6):
        sample = samples[index]
        alpha = sample["alpha"]
        composed = alpha * sample["foreground"] + (1 - alpha) * sample["background"]
        torch.testing.assert_close(sample["image"], composed)
        assert ((sample["trimap"] == 128) | (alpha > 0.99) | (alpha < 0.01)).all()
        assert all(torch.equal(samples[index][name], value) for name, value in sample.items())


def test_impossible_options_are_refused(data, tmp_path, capsys):
    words = [
        "fit", "matting", "--foregrounds", str(data / "cutouts"), "--backgrounds",
        str(data / "photos"), "--out", str(tmp_path / "out"), "--device", "cpu",
    ]  # fmt: skip
    for more, message in (
        (["--trimap-widths", "[5, 1]"], "trimap_widths must be [smallest, largest], got [5, 1]"),
        (["--model", "x"], "model must be one of a2u_net, index_net, got 'x'"),
        (["--val-data", str(data / "val")], "has no a.png"),
        (["--foregrounds", str(data / "none")], "no image found at"),
    ):
        assert main([*words, *more]) == 1
        assert message in " ".join(capsys.readouterr().err.split())
