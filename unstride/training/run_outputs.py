"""What a run writes besides checkpoints: the trained upsampler, and the commit of its code."""

import subprocess
from contextlib import suppress
from pathlib import Path

from torch import nn

from unstride.formats.features import save_tensors
from unstride.saving.configuration import describe
from unstride.saving.folder import save_model


def save_upsampler(upsampler: nn.Module, channels: int, out: Path) -> None:
    """Write OUT/upsampler.safetensors in float16, and the folder OUT/upsampler.

    The folder is what `save_pretrained` writes. It is skipped if the constructor arguments do not
    describe the upsampler, for example for your own class that is no `Upsampler`.
    """
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in upsampler.state_dict().items()
    }
    save_tensors(tensors, out / "upsampler.safetensors", {})
    with suppress(ValueError):
        save_model(out / "upsampler", describe(upsampler) | {"channels": channels}, upsampler)


def git_commit() -> str:
    """The commit of the running code, or "unknown" if no git repository tracks it."""
    file = Path(__file__)
    if run_git("ls-files", "--error-unmatch", file.name, folder=file.parent) is None:
        return "unknown"  # installed, perhaps inside someone else's repository
    return run_git("describe", "--always", "--dirty", folder=file.parent) or "unknown"


def run_git(*arguments: str, folder: Path) -> str | None:
    """The output of a git command, or None if it fails or git is not installed."""
    try:
        result = subprocess.run(
            ["git", *arguments], capture_output=True, encoding="utf-8", cwd=folder
        )
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None
