"""TODO."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from unstride.formats.images import load_image


class RandomCrops(Dataset):
    """Crops of photographs, each decided by the seed and its number alone.

    Args:
        paths: of the photographs.
        size: rows and columns of a crop in pixels, or the side of a square one; a photograph
            is first resized to between 1 and 1.25 times the least that holds it.
        length: how many crops there are; they go through the photographs round by round.
        seed: of the order and the crops.
    """

    def __init__(
        self, paths: Sequence[Path], size: int | tuple[int, int], *, length: int, seed: int
    ):
        self.size = (size, size) if isinstance(size, int) else size
        self.paths, self.length, self.seed = list(paths), length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Float[Tensor, "3 h w"]:
        turn, place = divmod(index, len(self.paths))
        order = torch.randperm(
            len(self.paths), generator=torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
        )
        image = load_image(self.paths[int(order[place])])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        across, down, larger = torch.rand(3, generator=generator).tolist()
        ratio = (1 + larger / 4) * max(
            n / m for n, m in zip(self.size, image.shape[2:], strict=True)
        )
        resized = [
            max(round(m * ratio), n) for n, m in zip(self.size, image.shape[2:], strict=True)
        ]
        image = interpolate(image, resized, mode="bilinear", antialias=True, align_corners=False)
        y, x = (
            int(t * (m - n + 1)) for t, n, m in zip((down, across), self.size, resized, strict=True)
        )
        return image[0, :, y : y + self.size[0], x : x + self.size[1]].clamp(0, 1)
