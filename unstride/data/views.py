"""Crops of photographs, and views of them: one coordinate map for an image and its features."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate
from torch.utils.data import Dataset

from unstride.data.images import load_image


def random_view(
    n: int, zoom: tuple[float, float], generator: torch.Generator
) -> Float[Tensor, "n 4"]:
    """Left, top and side of a square in the picture, in [0, 1], and 1 where it is flipped."""
    factor = torch.empty(n).uniform_(*zoom, generator=generator)
    corner = torch.rand(n, 2, generator=generator) * (1 - 1 / factor)[:, None]
    flip = torch.randint(0, 2, (n,), generator=generator).float()
    return torch.stack([corner[:, 0], corner[:, 1], 1 / factor, flip], 1)


def through(
    view: Float[Tensor, "b 4"], image: Float[Tensor, "b c h w"], side: int
) -> Float[Tensor, "b c side side"]:
    """An image, or a map of its features, as the view shows it: one coordinate map for both."""
    left, top, width, flip = view.unbind(1)
    steps = (torch.arange(side, device=image.device, dtype=image.dtype) + 0.5) / side
    columns = torch.where(flip[:, None] > 0, steps.flip(0), steps) * width[:, None] + left[:, None]
    rows = steps * width[:, None] + top[:, None]
    grid = torch.stack(
        [columns[:, None].expand(-1, side, -1), rows[:, :, None].expand(-1, -1, side)], -1
    )
    return grid_sample(image, 2 * grid - 1, "bilinear", "border", align_corners=False)


class Crops(Dataset):
    """Square crops of photographs, each decided by the seed and its number alone.

    Args:
        paths: of the photographs.
        side: of a crop, in pixels; a photograph is first resized so that its shorter side
            has between 1 and 1.25 times as many.
        length: how many crops there are; they go through the photographs round by round.
        seed: of the order and the crops.
    """

    def __init__(self, paths: Sequence[Path], side: int, length: int, seed: int):
        self.paths, self.side, self.length, self.seed = list(paths), side, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Float[Tensor, "3 s s"]:
        turn, place = divmod(index, len(self.paths))
        order = torch.randperm(
            len(self.paths), generator=torch.Generator().manual_seed(self.seed + turn)
        )
        image = load_image(self.paths[int(order[place])])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        across, down, larger = torch.rand(3, generator=generator).tolist()
        ratio = self.side * (1 + larger / 4) / min(image.shape[2:])
        size = [max(round(n * ratio), self.side) for n in image.shape[2:]]
        image = interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
        y, x = (int(t * (n - self.side + 1)) for t, n in zip((down, across), size, strict=True))
        return image[0, :, y : y + self.side, x : x + self.side].clamp(0, 1)
