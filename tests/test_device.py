"""The device that is used when none is named."""

import pytest
import torch

from unstride.device import default_device


@pytest.mark.parametrize(("has_gpu", "expected"), [(True, "cuda"), (False, "cpu")])
def test_the_gpu_is_the_default_if_there_is_one(has_gpu, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert default_device() == torch.device(expected)
    assert default_device("meta") == torch.device("meta")


def test_a_device_that_torch_does_not_know_is_refused():
    with pytest.raises(RuntimeError, match="none"):
        default_device("none")
