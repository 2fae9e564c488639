"""Computes short hashes of weights and of files, to tell whether they changed."""

import hashlib
from pathlib import Path

from torch import Tensor, nn


def weights_fingerprint(module: nn.Module) -> str:
    """The first 16 hex digits of a SHA-256 of all tensors, or "none" if there are no tensors."""
    digest, state = hashlib.sha256(), module.state_dict()
    for name in sorted(state):
        digest.update(name.encode() + state[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16] if state else "none"


def tensor_fingerprint(tensor: Tensor) -> str:
    """The first 16 hex digits of a SHA-256 of the values."""
    return hashlib.sha256(tensor.cpu().contiguous().numpy().tobytes()).hexdigest()[:16]


def file_fingerprint(*paths: Path) -> str:
    """The first 16 hex digits of a SHA-256 of the bytes of all files."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
