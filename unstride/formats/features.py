"""Writes safetensors files atomically, all at once or piece by piece, and reads cached ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from unstride.formats.atomic_write import atomic_path

CHANNELS_PER_BLOCK = 16  # channels converted to the file's layout together: with channels_last
# memory, one cache line holds that many.
SAFETENSORS_DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write tensors to a safetensors file atomically."""
    with atomic_path(path) as temporary_path:
        temporary_path.touch()
        default_mode = temporary_path.stat().st_mode  # safetensors lets only the owner read
        save_file(tensors, temporary_path, metadata)
        temporary_path.chmod(default_mode)


def load_cached_features(path: Path) -> Tensor | None:
    """The tensor "features" of a file, or None if the file is missing or damaged."""
    try:
        return load_file(path)["features"]
    except Exception:  # it can be computed again, whatever is wrong with the file
        return None


@contextmanager
def open_feature_file(
    path: Path, shape: tuple[int, int, int], dtype: torch.dtype, metadata: dict[str, str]
) -> Iterator[FeatureWriter]:
    """Open a safetensors file of one tensor, "features", to be written in rectangles.

    The file appears when the block ends, unless it ends by an exception.

    Args:
        path: output file. Its folder must exist.
        shape: channels, rows and columns.
        dtype: type in the file: float32, float16 or bfloat16.
        metadata: metadata of the file.

    Raises:
        OSError: if there is not enough free disk space.
    """
    size = prod(shape) * dtype.itemsize
    tensor = {"dtype": SAFETENSORS_DTYPES[dtype], "shape": list(shape), "data_offsets": [0, size]}
    content = {"__metadata__": metadata, "features": tensor}
    header = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    if (free := shutil.disk_usage(path.parent).free) < size:
        raise OSError(f"{path} needs {size / 1e9:.2f} GB, but only {free / 1e9:.2f} GB are free")
    with atomic_path(path) as temporary_path, open(temporary_path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
        yield FeatureWriter(file, 8 + len(header), shape, dtype)
        file.flush()  # before `atomic_path` moves it


class FeatureWriter:
    """Writes rectangles of features to their places in a file, without keeping them in memory.

    Args:
        file: file opened for writing.
        start: offset of the tensor in the file, in bytes.
        shape: channels, rows and columns of the tensor.
        dtype: type of the tensor.
    """

    def __init__(self, file, start: int, shape: tuple[int, int, int], dtype: torch.dtype):
        self.file, self.start, self.shape, self.dtype = file, start, shape, dtype

    def write(self, rows: slice, columns: slice, features: Float[Tensor, "c h w"]) -> None:
        """Write the features of these rows and columns."""
        _, height, width = self.shape
        spans_width = features.shape[2] == width
        for c in range(len(features)):
            if c % CHANNELS_PER_BLOCK == 0:
                block = features[c : c + CHANNELS_PER_BLOCK].to(self.dtype).cpu().contiguous()
            values = block[c % CHANNELS_PER_BLOCK].view(torch.uint8).numpy()
            first = (c * height + rows.start) * width + columns.start
            for i, run in enumerate([values] if spans_width else values):
                self.file.seek(self.start + (first + i * width) * self.dtype.itemsize)
                self.file.write(run)
