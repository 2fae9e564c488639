"""Folders, descriptions and task networks written before the files moved still load.

They were written by the code before the package's files and classes got their present places and
names. What is saved must depend on neither.
"""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import unstride
from unstride.models.task_network import create_task_network
from unstride.saving.configuration import build, describe
from unstride.upsamplers.bilateral_stack import BilateralStack

SAVED = Path(__file__).parent / "saved_before_move"
TASK_NETWORKS = json.loads((SAVED / "task_networks.json").read_text(encoding="utf-8"))

# Results come from another CPU, which may sum in another order. A sum of n products then differs by
# at most n * eps * sum|product|. The longest sum has the 7 x 7 taps of FeatUp, whose weights sum to
# one over features below 1: 49 * 1.2e-7 = 6e-6.
TOLERANCE = 1e-5


@pytest.mark.parametrize("name", ["carafe", "cascade", "featup_paper"])
def test_a_saved_upsampler_gives_the_same_result(name):
    tensors = load_file(SAVED / name / "result.safetensors")
    model = unstride.from_pretrained(SAVED / name)
    with torch.no_grad():
        result = model(tensors["features"], tensors["guide"])
    torch.testing.assert_close(result, tensors["result"], rtol=TOLERANCE, atol=TOLERANCE)


def test_a_description_of_the_default_featup_gives_a_bilateral_stack():
    config = json.loads((SAVED / "featup_default.json").read_text(encoding="utf-8"))
    model = build(config)
    assert type(model) is BilateralStack
    assert describe(model) == config


@pytest.mark.parametrize("task", TASK_NETWORKS)
def test_a_task_network_has_the_same_tensors(task):
    """The same names and shapes, so that saved weights fit."""
    saved = TASK_NETWORKS[task]
    state = create_task_network(saved["config"]).state_dict()
    lines = sorted(f"{name} {list(tensor.shape)}" for name, tensor in state.items())
    assert len(lines) == saved["tensors"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == saved["sha256"]
