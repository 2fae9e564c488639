"""What is written of a run: JSON that any program reads, and the code's commit, if it is ours."""

import shutil
import subprocess
from functools import partial
from math import inf, nan

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")

from unstride.training import run_card as card
from unstride.upsamplers import Nearest


def test_numbers_that_json_lacks_are_null():
    content = {"a": nan, "b": [1.0, -inf], "c": (2, "x")}
    assert card.without_nan(content) == {"a": None, "b": [1.0, None], "c": [2, "x"]}


def test_what_makes_upsamplers_has_the_same_word_in_every_run(tmp_path):
    assert card.worded(Nearest) == "unstride.upsamplers.interpolation:Nearest"
    assert card.worded(partial(Nearest, scale=2)) == "partial"
    assert card.worded(tmp_path) == str(tmp_path)


def test_numbers_of_steps_are_not_halved(tmp_path):
    norm = nn.BatchNorm2d(2)
    norm.num_batches_tracked.fill_(100_001)
    card.save_upsampler(norm, 2, tmp_path)
    written = load_file(tmp_path / "upsampler.safetensors")
    assert written["num_batches_tracked"].item() == 100_001
    assert written["weight"].dtype == torch.float16


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_somebody_elses_repository_is_not_the_codes(tmp_path, monkeypatch):
    script, theirs = tmp_path / "card.py", tmp_path / "theirs.py"
    script.touch()
    theirs.touch()
    run = partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True)
    run(["git", "init"])
    run(["git", "add", "theirs.py"])
    run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "theirs"])
    monkeypatch.setattr(card, "__file__", str(script))
    assert card.git_commit() == "unknown"
    monkeypatch.setattr(card, "__file__", str(theirs))
    assert len(card.git_commit()) >= 7
