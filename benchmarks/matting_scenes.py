"""Synthetic foregrounds whose alpha is exact: hair, nets, smoke and motion blur.

Colours are crops of photographs. All is drawn from torch's global random state.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate
from torch.utils.data import Dataset

from unstride.datasets.readable_images import ReadableImages
from unstride.datasets.shuffled import SEED_STRIDE
from unstride.transforms.holes import drawn_line
from unstride.transforms.matting_augment import MattingAugmentation

FINER = 3  # shapes are drawn at this many times the resolution


class Scenes(Dataset):
    """Composites of synthetic foregrounds. Each depends only on the seed and on its index.

    Args:
        images: photographs for foregrounds and backgrounds.
        side: of the composites, in pixels.
        length: number of composites; the kinds take turns.
        seed: seed of all that is random.
        trimap_widths: see `MattingAugmentation`.
    """

    def __init__(
        self, images: ReadableImages, side: int, *, length: int, seed: int,
        trimap_widths: tuple[int, int] = (1, 4),
    ):  # fmt: skip
        self.images, self.side, self.length, self.seed = images, side, length, seed
        self.augmentation = MattingAugmentation((side, side), trimap_widths)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * SEED_STRIDE + index)
            alpha = list(KINDS.values())[index % len(KINDS)](self.side).clamp(0, 1)
            places = torch.randint(len(self.images), (2,)).tolist()
            front, back = (self.augmentation.background(self.images[i]) for i in places)
            trimap = self.augmentation.trimap(alpha)
        alpha = alpha[None]
        return {
            "image": alpha * front + (1 - alpha) * back, "trimap": trimap[None], "alpha": alpha,
            "foreground": front, "background": back,
        }  # fmt: skip


def hair(side: int) -> Tensor:
    """A head, and thin strokes that wander from it."""
    n = side * FINER
    is_inside = disk(n, 0.22)
    for _ in range(30):
        angle = float(torch.rand(())) * 2 * torch.pi
        point = torch.tensor([n / 2, n / 2]) + 0.2 * n * direction(angle)
        points = [point]
        for _ in range(8):
            angle += 0.5 * float(torch.randn(()))
            points.append(points[-1] + 0.04 * n * direction(angle))
        width = 1 + 3 * float(torch.rand(()))
        is_inside |= drawn_line(torch.stack(points), width, (n, n))
    return averaged(is_inside)


def net(side: int) -> Tensor:
    """Two families of stripes, turned and bent, that cross."""
    n = side * FINER
    y, x = torch.meshgrid(torch.arange(n) / n, torch.arange(n) / n, indexing="ij")
    angle = float(torch.rand(())) * torch.pi
    bend = 0.1 * smooth_noise(n, 3)
    stripes = []
    for turn in (0.0, torch.pi / 2 + 0.3 * float(torch.randn(()))):
        d = direction(angle + turn)
        phase = (x * d[0] + y * d[1] + bend) * (6 + 6 * float(torch.rand(())))
        stripes.append((phase % 1) < 0.15 + 0.2 * float(torch.rand(())))
    return averaged(stripes[0] | stripes[1])


def smoke(side: int) -> Tensor:
    """Noise of many scales, thicker in the middle."""
    noise = sum(smooth_noise(side, cells) / 2**i for i, cells in enumerate((3, 6, 12, 24)))
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    return (1.2 * noise + 1.5 - 3 * (x.square() + y.square())).sigmoid() * 1.1 - 0.05


def motion_blur(side: int) -> Tensor:
    """A blob that moved while it was photographed."""
    blob = (smooth_noise(side, 4) + 1.2 * disk(side, 0.3).float() > 0.6).float()
    length = 9 + 2 * int(torch.randint(6, ()))
    line = drawn_line(
        torch.stack(
            [
                torch.tensor([length / 2, length / 2]) + sign * length / 2 * direction(turn)
                for turn in [float(torch.rand(())) * torch.pi]
                for sign in (-1, 1)
            ]
        ),
        1.5,
        (length, length),
    ).float()
    kernel = (line / line.sum().clamp(min=1))[None, None]
    return conv2d(blob[None, None], kernel, padding="same")[0, 0]


KINDS: dict[str, Callable[[int], Tensor]] = {
    "hair": hair, "net": net, "smoke": smoke, "motion blur": motion_blur,
}  # fmt: skip


def direction(angle: float) -> Tensor:
    """A unit vector."""
    return torch.tensor([angle, angle + torch.pi / 2]).cos()


def disk(side: int, radius: float) -> Tensor:
    """A disk in the middle, with its radius as a share of the side."""
    y, x = torch.meshgrid(*[torch.linspace(-0.5, 0.5, side)] * 2, indexing="ij")
    return x.square() + y.square() < radius**2


def smooth_noise(side: int, cells: int) -> Tensor:
    """Normal noise on a grid of cells, enlarged smoothly."""
    grid = torch.randn(1, 1, cells, cells)
    return interpolate(grid, (side, side), mode="bicubic", align_corners=True)[0, 0]


def averaged(is_inside: Tensor) -> Tensor:
    """The share of each pixel that lies inside."""
    return avg_pool2d(is_inside.float()[None], FINER)[0]
