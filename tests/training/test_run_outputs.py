"""What a run writes: the upsampler's weights, and the code's commit, if it is ours."""

import shutil
import subprocess
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")

from unstride.training import run_outputs


def test_numbers_of_steps_are_not_halved(tmp_path):
    norm = nn.BatchNorm2d(2)
    norm.num_batches_tracked.fill_(100_001)
    run_outputs.save_upsampler(norm, 2, tmp_path)
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
    monkeypatch.setattr(run_outputs, "__file__", str(script))
    assert run_outputs.git_commit() == "unknown"
    monkeypatch.setattr(run_outputs, "__file__", str(theirs))
    assert len(run_outputs.git_commit()) >= 7
