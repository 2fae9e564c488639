"""Composites of cut-outs over photographs, of which alpha and both colours are known.

Xu, Price, Cohen, Huang, "Deep Image Matting", CVPR 2017, arXiv:1703.03872, section 3. Two
foregrounds are combined half of the time, as in Tang et al., "Learning-Based Sampling for Natural
Image Matting", CVPR 2019, and in A2U's training.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.datasets.readable_images import ReadableImages
from unstride.datasets.shuffled import SEED_STRIDE, shuffled_index
from unstride.formats.cutouts import load_cutout
from unstride.random_numbers import seeded
from unstride.transforms.matting_augment import MattingAugmentation


class Compositions(Dataset):
    """Random composites. Each depends only on the seed and on its index.

    Args:
        cutouts: image files with alpha.
        backgrounds: image files.
        augmentation: crops and changes a foreground, and crops a background.
        length: number of composites. Every cut-out is used once per epoch, in a new random order.
        seed: seed of all that is random.
        pair_share: share of composites that show two foregrounds.

    Raises:
        ValueError: if there is no cut-out or no background.
    """

    def __init__(
        self,
        cutouts: Sequence[Path],
        backgrounds: Sequence[Path],
        augmentation: MattingAugmentation,
        *,
        length: int,
        seed: int,
        pair_share: float = 0.5,
    ):
        if not cutouts:
            raise ValueError("foregrounds must have at least one file, got none")
        self.cutouts, self.backgrounds = list(cutouts), ReadableImages(backgrounds)
        self.augmentation, self.length, self.seed = augmentation, length, seed
        self.pair_share = pair_share

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        first = shuffled_index(index, len(self.cutouts), seed=self.seed)
        with seeded(self.seed * SEED_STRIDE + index):
            foreground = self.augmentation.foreground(load_cutout(self.cutouts[first]))
            if torch.rand(()) < self.pair_share:
                second = int(torch.randint(len(self.cutouts), ()))
                other = self.augmentation.foreground(load_cutout(self.cutouts[second]))
                foreground = over(foreground, other)
            place = int(torch.randint(len(self.backgrounds), ()))
            background = self.augmentation.background(self.backgrounds[place])
            trimap = self.augmentation.trimap(foreground[3])
        colours, alpha = foreground[:3], foreground[3:]
        return {
            "image": alpha * colours + (1 - alpha) * background, "trimap": trimap[None],
            "alpha": alpha, "foreground": colours, "background": background,
        }  # fmt: skip


def over(front: Float[Tensor, "4 h w"], back: Float[Tensor, "4 h w"]) -> Float[Tensor, "4 h w"]:
    """One foreground over another: alpha is 1 - (1 - a)(1 - b), colours are those that show.

    Args:
        front: RGB and alpha, not multiplied.
        back: the same.
    """
    behind = back[3:] * (1 - front[3:])
    alpha = front[3:] + behind
    colours = (front[:3] * front[3:] + back[:3] * behind) / alpha.clamp(min=1e-6)
    return torch.cat([torch.where(alpha > 0, colours, front[:3]), alpha])
