"""Images with holes that never change, to measure inpainting on."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from unstride.formats.images import load_image
from unstride.transforms.holed_crop import CentreHole


class FixedHoles(Dataset):
    """The centre of each image and a hole; the seed of the hole is the image's index.

    Args:
        paths: image files.
        crop: makes the sample.
    """

    def __init__(self, paths: Sequence[Path], crop: CentreHole):
        self.paths, self.crop = list(paths), crop

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.crop(load_image(self.paths[index])[0], index)
