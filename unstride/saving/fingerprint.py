"""TODO."""

import hashlib
from pathlib import Path

from torch import nn


def weights_fingerprint(module: nn.Module) -> str:
    """The first 16 digits of a SHA-256 over all tensors, or "none" where there are none."""
    digest, state = hashlib.sha256(), module.state_dict()
    for name in sorted(state):
        digest.update(name.encode() + state[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16] if state else "none"


def file_fingerprint(*paths: Path) -> str:
    """Of the bytes of files: others have another."""
    found = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]
