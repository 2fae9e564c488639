"""NYU Depth v2: rooms seen by Kinect, 1449 labelled frames. Silberman et al., ECCV 2012."""

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
    """NYU Depth v2 in the usual folders of the official split, 795 and 654 frames.

    The layout and the names are those of BTS (Lee et al. 2019, arXiv:1907.10326) and of its many
    users: raw depth in millimetres, 16 bits, 0 where Kinect measured nothing.
    """

    splits = ("train", "test")
    layout = "{train,test}/SCENE/rgb_NNNNN.jpg and sync_depth_NNNNN.png, in official_splits or not"

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the frames of every scene."""
        folder = self.find_folder(f"official_splits/{self.split}", self.split)
        for image in image_files(folder, "*/rgb_*"):
            number = image.stem.removeprefix("rgb_")
            depth = image.with_name(f"sync_depth_{number}.png")
            yield ItemFiles(f"{image.parent.name}/{number}", image, [depth])

    def intrinsics_for(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """Return the intrinsics for images of this (height, width), the same for all items."""
        del index
        return kinect_intrinsics(size)


def kinect_intrinsics(size: tuple[int, int]) -> Float[Tensor, "3 3"]:
    """Return the intrinsics of the data set's camera for images of this (height, width)."""
    return resized_intrinsics(half_pixel_intrinsics(torch.tensor(INTRINSICS)), FRAME_SIZE, size)
