"""Images from files, in which a file that cannot be read is replaced by the next one."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.formats.images import load_image


class ReadableImages(Dataset):
    """Images, RGB in [0, 1]. One that cannot be read is named once, and the next takes its place.

    So a damaged file does not end a training of many hours, and what an index stands for does not
    depend on the process that loads it.

    Args:
        paths: image files.

    Raises:
        ValueError: if there are none.
    """

    def __init__(self, paths: Sequence[Path]):
        if not paths:
            raise ValueError("images must have at least one file, got none")
        self.paths = list(paths)
        self.unreadable: set[Path] = set()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Float[Tensor, "3 h w"]:
        for step in range(len(self.paths)):
            path = self.paths[(index + step) % len(self.paths)]
            try:
                return load_image(path)[0]
            except (ValueError, OSError) as error:
                if path not in self.unreadable:
                    self.unreadable.add(path)
                    warnings.warn(f"skipped: {error}", stacklevel=2)
        raise ValueError(f"images must have a readable file, got none of {len(self.paths)}")
