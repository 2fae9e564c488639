"""Every recipe on two devices, in half types, and after its process was killed."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import Subset

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes import test_depth as depth
from tests.recipes import (
    test_detection,
    test_multitask,
    test_panoptic,
    test_pretraining,
    test_segmentation,
)
from tests.recipes import tiny_coco as scenes
from tests.recipes.tiny_camvid import write_camvid
from tests.recipes.tiny_depth import write_posed_rgbd
from unstride.datasets.random_crops import RandomCrops
from unstride.recipes import featup, pixpro, pretraining

ROOT = Path(__file__).parents[2]
FIT = """
import pickle, sys, time
from importlib import import_module
from pathlib import Path

from unstride.recipes.featup_learner import FeatUpLearner

train = FeatUpLearner.training_step

def recorded(self, images, index):
    means = " ".join(f"{image.double().mean():.8f}" for image in images)
    file = self.options.out / f"{self.global_step}-{self.trainer.global_rank}"
    file.write_text(means, encoding="utf-8")
    return train(self, images, index)

FeatUpLearner.training_step = recorded
if pause := float(sys.argv[2]):
    from unstride.training.callbacks import PeriodicCheckpoint

    save = PeriodicCheckpoint.on_train_batch_end

    def save_and_wait(*arguments):
        save(*arguments)
        time.sleep(pause)

    PeriodicCheckpoint.on_train_batch_end = save_and_wait

for recipe, options in pickle.loads(Path(sys.argv[1]).read_bytes()):
    import_module(recipe).fit(options)
"""


class Run(NamedTuple):
    """A recipe, and its options, by a folder for data and results."""

    recipe: str
    options: Callable[[Path], Any]


def of_segmentation(folder: Path) -> Any:
    return test_segmentation.options(write_camvid(folder / "data", count=3), folder / "out")


def of_objects(folder: Path) -> Any:
    data = scenes.write_pennfudan(folder / "data", count=12)  # of which three are val
    return test_detection.options(data, folder / "out", "mask_rcnn", val_limit=None)


def of_segments(model: str) -> Callable[[Path], Any]:
    def made(folder: Path) -> Any:
        data = scenes.write_coco(folder / "data")
        return test_panoptic.options(data, folder / "out", model, val_limit=None)

    return made


def of_depth(kind: str) -> Callable[[Path], Any]:
    def made(folder: Path) -> Any:
        return depth.options_of(kind, write_posed_rgbd(folder / "data"), folder / "out")

    return made


def of_several(folder: Path) -> Any:
    return test_multitask.options_of("nyuv2_tasks", folder, out=folder / "out")


RUNS = {
    "segmentation": Run("segmentation", of_segmentation),
    "mask_rcnn": Run("detection", of_objects),
    "panoptic_fpn": Run("panoptic", of_segments("panoptic_fpn")),
    "panoptic_deeplab": Run("panoptic", of_segments("panoptic_deeplab")),
    "depth": Run("depth", of_depth("supervised")),
    "monodepth": Run("depth", of_depth("video")),
    "multitask": Run("multitask", of_several),
}
every = pytest.mark.parametrize("name", RUNS)


def recipe_of(name: str) -> Any:
    return import_module(f"unstride.recipes.{RUNS[name].recipe}")


def begun(runs: Sequence[Any], folder: Path, pause: float = 0.0) -> subprocess.Popen:
    """Runs with these options, one after the other, in a process group of their own.

    They pause after each step, so that they can be killed between two.
    """
    (folder / "fit.py").write_text(FIT, encoding="utf-8")
    named = [(type(o).__module__.removesuffix("_options"), o) for o in runs]
    (folder / "options").write_bytes(pickle.dumps(named))
    return subprocess.Popen(
        [sys.executable, str(folder / "fit.py"), str(folder / "options"), str(pause)], cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def card(options: Any) -> Any:
    return json.loads((options.out / "card.json").read_text(encoding="utf-8"))


def test_two_processes_do_what_one_does(tmp_path, monkeypatch):
    """In one pair of processes, because most of the time they load libraries."""
    changes: dict[str, dict[str, Any]] = {
        "mask_rcnn": {}, "panoptic_fpn": {}, "monodepth": {}, "multitask": {},
        "segmentation": {"regenerate": "random_blocks,block=8,width=4"},
    }  # fmt: skip
    measured = {}
    for name in changes:
        (tmp_path / name).mkdir()
        options = RUNS[name].options(tmp_path / name)
        measured[name] = replace(options, batch_size=1, steps=1, devices=2, **changes[name])
    learned = whole_steps(tmp_path / "streets", tmp_path / "two")
    shared = photographs(tmp_path / "photos", tmp_path / "shared")
    pretrained = test_pretraining.options_of(
        "pixpro", shared.images[0], tmp_path / "pretrained", batch_size=2, devices=2,
        optimizer="lars", learning_rate=1.0,
    )  # fmt: skip
    process = begun([*measured.values(), learned, shared, pretrained], tmp_path)
    alone = replace(learned, out=tmp_path / "one", batch_size=4, devices=1)
    test_segmentation.fit(alone)
    assert process.wait(400) == 0, process.stderr.read()[-2000:]
    for name, options in measured.items():
        they_measure_what_one_does(name, options)
    assert card(measured["segmentation"])["regeneration"]["mse"] > 0
    they_learn_what_one_would(learned, alone)
    they_share_the_photographs(shared)
    they_pretrain_as_one_that_accumulates(pretrained, monkeypatch)


def they_pretrain_as_one_that_accumulates(together: Any, monkeypatch) -> None:
    """Batch norms see a process's own views on CPUs, so one process takes the same two halves."""
    views = pretraining.training_views
    monkeypatch.setattr(
        pretraining, "training_views",
        lambda *args: Subset(views(*args), [0, 2, 1, 3, 4, 6, 5, 7]),
    )  # fmt: skip
    alone = replace(together, out=together.out.parent / "accumulated", devices=1, accumulate=2)
    pixpro.fit(alone)
    began, two, one = (
        {name: value for name, value in state.items() if "running" not in name}
        for state in (
            pretraining.untrained_state(alone),
            *(load_file(o.out / "backbone.safetensors") for o in (together, alone)),
        )
    )
    moved = [name for name in one if not torch.equal(one[name], began[name])]
    assert "conv1.0.weight" in moved
    for name in moved:
        if "num_batches" not in name:  # half as many for each of two
            torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-6)


def they_measure_what_one_does(name: str, options: Any) -> None:
    """Of three photographs one process has two, the other one; the same two train all networks."""
    alone = recipe_of(name).validate(replace(options, devices=1))
    assert alone, name
    assert card(options)["measured"] == pytest.approx(alone, rel=1e-4, nan_ok=True), name


def whole_steps(data: Path, out: Path) -> Any:
    """Every pixel is labelled: the mean over each process's pixels is averaged, not their sum."""
    return test_segmentation.Options(
        data=write_camvid(data, count=3, void=0), out=out, batch_size=2, devices=2,
        **test_segmentation.WHOLE_STEPS,
    )  # fmt: skip


def they_learn_what_one_would(together: Any, alone: Any) -> None:
    """The same weights, but for the order in which gradients are added."""
    assert card(together)["measured"] == pytest.approx(card(alone)["measured"], abs=0.1)
    two, one = (load_file(o.out / "model" / "model.safetensors") for o in (together, alone))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)


def photographs(images: Path, out: Path) -> Any:
    images.mkdir()
    for i in range(3):
        noise = Image.effect_noise((90, 80), 100).convert("RGB")
        noise.save(images / f"{i}.png")
    return featup.Options(
        images=[str(images)], out=out, steps=2, batch_size=2, views_per_image=1, crop_size=64,
        projection_dim=4, device="cpu", devices=2, upsampler="bilinear",
    )  # fmt: skip


def they_share_the_photographs(options: Any) -> None:
    """Each sees photographs of its own; together those that one process would have seen."""
    told = [
        (options.out / f"{step}-{rank}").read_text(encoding="utf-8")
        for step in (0, 1)
        for rank in (0, 1)
    ]
    crops = RandomCrops(sorted(Path(options.images[0]).iterdir()), 64, length=8, seed=0)
    assert sorted(" ".join(told).split()) == sorted(
        f"{crops[i].double().mean():.8f}" for i in range(8)
    )
    assert len(card(options)["curve"]) == 2


@pytest.mark.parametrize("name", ["segmentation", "mask_rcnn"])
def test_a_run_whose_processes_are_killed_goes_on_to_the_same_weights(name, tmp_path):
    options = replace(RUNS[name].options(tmp_path), steps=8, workers=1, save_every=1)
    process = begun([options], tmp_path, pause=0.5)
    while not (options.out / "last.ckpt").exists():
        assert process.poll() is None, process.stderr.read()[-2000:]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    assert not (options.out / "model").exists()
    steps = torch.load(options.out / "last.ckpt", weights_only=True)["global_step"]
    assert 0 < steps < 8
    scores = recipe_of(name).fit(options)
    whole = replace(options, out=tmp_path / "whole")
    assert recipe_of(name).fit(whole) == scores
    assert card(options)["curve"] == card(whole)["curve"]
    stopped, expected = (load_file(o.out / "model/model.safetensors") for o in (options, whole))
    assert all(torch.equal(stopped[key], value) for key, value in expected.items())


@every
def test_half_types_learn_nearly_the_same(name, tmp_path):
    """The first loss is that of float32 but for rounding, and the step is taken."""
    options = replace(RUNS[name].options(tmp_path), steps=1)
    if name == "monodepth":  # oneDNN's bfloat16 has no gradient of a 3 x 3 kernel on one pixel
        options = replace(options, size=(96, 128))
    losses, weights = [], []
    for precision in ("32-true", "bf16-mixed"):
        run = replace(options, precision=precision, out=tmp_path / precision)
        recipe_of(name).fit(run)
        losses.append([loss for _, loss in card(run)["curve"]])
        weights.append(load_file(run.out / "model/model.safetensors"))
    exact, half = losses
    assert half[0] == pytest.approx(exact[0], rel=0.05)
    assert len(half) == 1  # a loss that is no number would have been refused
    assert any(not torch.equal(value, weights[1][key]) for key, value in weights[0].items())
