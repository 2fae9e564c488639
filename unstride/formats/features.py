"""Safetensors files that appear whole or not at all, written at once or piece by piece."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from unstride.formats.atomic_write import atomic_path

CHANNELS_PER_BLOCK = (
    16  # channels that are turned to the file's layout together: a cache line of channels_last
)
SAFETENSORS_DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write safetensors; the file appears whole or not at all."""
    with atomic_path(path) as file:
        file.touch()
        usual = file.stat().st_mode  # safetensors would let nobody else read it
        save_file(tensors, file, metadata)
        file.chmod(usual)


@contextmanager
def open_feature_file(
    path: Path, shape: tuple[int, int, int], dtype: torch.dtype, metadata: dict[str, str]
) -> Iterator[FeatureWriter]:
    """A safetensors file of one tensor, "features", to be written in rectangles.

    It appears when the block ends, unless by an exception.

    Args:
        path: whose folder exists.
        shape: channels, rows and columns.
        dtype: of the file: float32, float16 or bfloat16.
        metadata: of the file.

    Raises:
        OSError: if the disk has not enough space.
    """
    size = prod(shape) * dtype.itemsize
    entry = {"dtype": SAFETENSORS_DTYPES[dtype], "shape": list(shape), "data_offsets": [0, size]}
    described = {"__metadata__": metadata, "features": entry}
    header = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    if (free := shutil.disk_usage(path.parent).free) < size:
        raise OSError(f"{path} takes {size / 1e9:.2f} GB, but {free / 1e9:.2f} GB are free there")
    with atomic_path(path) as name, open(name, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
        yield FeatureWriter(file, 8 + len(header), shape, dtype)
        file.flush()  # before `atomic_path` moves it


class FeatureWriter:
    """Puts rectangles of features to their places in a file; none is kept in memory.

    Args:
        file: open for writing.
        start: of the tensor in the file, in bytes.
        shape: channels, rows and columns of the tensor.
        dtype: of the tensor.
    """

    def __init__(self, file, start: int, shape: tuple[int, int, int], dtype: torch.dtype):
        self.file, self.start, self.shape, self.dtype = file, start, shape, dtype

    def write(self, rows: slice, columns: slice, features: Float[Tensor, "c h w"]) -> None:
        """The features of these rows and columns."""
        _, height, width = self.shape
        whole = features.shape[2] == width
        for c in range(len(features)):
            if c % CHANNELS_PER_BLOCK == 0:
                block = features[c : c + CHANNELS_PER_BLOCK].to(self.dtype).cpu().contiguous()
            values = block[c % CHANNELS_PER_BLOCK].view(torch.uint8).numpy()
            first = (c * height + rows.start) * width + columns.start
            for i, run in enumerate([values] if whole else values):
                self.file.seek(self.start + (first + i * width) * self.dtype.itemsize)
                self.file.write(run)
