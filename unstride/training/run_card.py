"""What is written of a run besides weights: JSON, and which code it was."""

import subprocess
from contextlib import suppress
from pathlib import Path

from torch import nn

from unstride.formats.features import save_tensors
from unstride.saving.configuration import describe
from unstride.saving.folder import save_model


def save_upsampler(upsampler: nn.Module, channels: int, out: Path) -> None:
    """Write OUT/upsampler.safetensors, float16, and OUT/upsampler, as `save_pretrained` does.

    What its arguments do not describe, such as a class of yours that is no `Upsampler`, is written
    to the file alone.
    """
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in upsampler.state_dict().items()
    }
    save_tensors(tensors, out / "upsampler.safetensors", {})
    with suppress(ValueError):
        save_model(out / "upsampler", describe(upsampler) | {"channels": channels}, upsampler)


def git_commit() -> str:
    """Of the code that runs, if it lies in a repository that knows it."""
    here = Path(__file__)
    if run_git("ls-files", "--error-unmatch", here.name, folder=here.parent) is None:
        return "unknown"  # installed, perhaps inside of somebody else's
    return run_git("describe", "--always", "--dirty", folder=here.parent) or "unknown"


def run_git(*words: str, folder: Path) -> str | None:
    """What it says, or None if it fails or is not there."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, cwd=folder)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
