"""Frames of a moving RGB-D camera with its poses, such as 7-Scenes. Shotton et al., CVPR 2013."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import DepthDataset, ItemFiles, image_files
from unstride.formats.cameras import parse_pose, read_intrinsics, read_tokens

LAST_TRAIN_FRAME, FIRST_VAL_FRAME = 800, 840  # the frames between are too like both


class PosedRGBD(DepthDataset):
    """One scene, or a folder of scenes, each with frames, depth registered to them, and poses.

    `train` are the frames numbered up to 800, `val` those from 840, `all` every frame. A shorter
    scene has no `val`; it is passed over where another scene has one.

    `intrinsics[i]` is the 3 x 3 matrix K of item i, for its size in pixels: the point (X, Y, Z) of
    the camera lies at (x, y) = (K (X, Y, Z)) / Z. The files put a pixel's centre at whole numbers,
    as OpenCV does; here it is at i + 1/2. `poses[i]` is camera to world, in metres.
    """

    splits = ("train", "val", "all")
    layout = (
        "[SCENE/]{images/NNNNNN.jpg,depth/NNNNNN.png,intrinsics.txt,poses.txt}, train up to "
        f"{LAST_TRAIN_FRAME}, val from {FIRST_VAL_FRAME}"
    )

    intrinsics: Float[Tensor, "n 3 3"]
    poses: Float[Tensor, "n 4 4"]

    def __init__(self, root: str | Path, split: str):
        super().__init__(root, split)
        cameras: dict[Path, tuple[Tensor, dict[str, Tensor]]] = {}
        rows = []
        for image in self.images:
            scene = image.parent.parent
            if scene not in cameras:
                matrix = read_intrinsics(scene / "intrinsics.txt", self.layout)
                cameras[scene] = matrix, _read_poses(scene / "poses.txt")
            matrix, poses = cameras[scene]
            if image.stem not in poses:
                raise ValueError(f"{scene / 'poses.txt'}: no pose of frame {image.stem}")
            rows.append((matrix, poses[image.stem]))
        self.intrinsics = torch.stack([matrix for matrix, _ in rows])
        self.poses = torch.stack([pose for _, pose in rows])

    def find(self) -> Iterator[ItemFiles]:
        """The split's frames of every scene."""
        single = (self.root / "images").is_dir()
        scenes = [self.root] if single else sorted(p.parent for p in self.root.glob("*/images"))
        for scene in scenes:
            for image in image_files(scene / "images"):
                if self._wanted(image):
                    name = image.stem if single else f"{scene.name}/{image.stem}"
                    yield name, image, [scene / "depth" / f"{image.stem}.png"]

    def camera(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """The intrinsics of an item, which are for the size that it has."""
        del size
        return self.intrinsics[index]

    def _wanted(self, image: Path) -> bool:
        if not image.stem.isdigit():
            raise ValueError(f"{image}: frames are named by their number, such as 000120.jpg")
        number = int(image.stem)
        if self.split == "train":
            return number <= LAST_TRAIN_FRAME
        return number >= FIRST_VAL_FRAME or self.split == "all"


def _read_poses(path: Path) -> dict[str, Float[Tensor, "4 4"]]:
    poses = {}
    for row in read_tokens(path, PosedRGBD.layout):
        if len(row) != 13:
            raise ValueError(f"{path}: {row[0]} and {len(row) - 1} numbers; a pose has 12")
        poses[row[0]] = parse_pose(row[1:], path)
    return poses
