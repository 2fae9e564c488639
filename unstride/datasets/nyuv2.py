"""NYU Depth v2: rooms by Kinect, the 1449 labelled frames. Silberman et al., ECCV 2012."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import DepthDataset, ItemFiles, image_files
from unstride.geometry import half_pixel_intrinsics, resized_intrinsics

FRAME_SIZE = 480, 640  # rows and columns of the published frames
INTRINSICS = (518.857901, 0.0, 325.582449), (0.0, 519.469611, 253.736166), (0.0, 0.0, 1.0)
# Of the colour camera, to which depth is registered; from the toolbox of the data set.


class NYUv2(DepthDataset):
    """NYU Depth v2 as the official split's 795 and 654 frames are usually unpacked.

    The layout and the names are those of BTS (Lee et al. 2019, arXiv:1907.10326) and of its many
    users: raw depth in millimetres, 16 bits, 0 where Kinect saw nothing.
    """

    splits = ("train", "test")
    layout = "{train,test}/SCENE/rgb_NNNNN.jpg and sync_depth_NNNNN.png, in official_splits or not"

    def find(self) -> Iterator[ItemFiles]:
        """The frames of every scene."""
        folder = self.folder(f"official_splits/{self.split}", self.split)
        for image in image_files(folder, "*/rgb_*"):
            number = image.stem.removeprefix("rgb_")
            depth = image.with_name(f"sync_depth_{number}.png")
            yield f"{image.parent.name}/{number}", image, [depth]

    def camera(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """The intrinsics of an item of this size."""
        del index
        return resized_intrinsics(half_pixel_intrinsics(torch.tensor(INTRINSICS)), FRAME_SIZE, size)
