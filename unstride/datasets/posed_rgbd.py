"""Video of a moving RGB-D camera with its poses, such as 7-Scenes. Shotton et al., CVPR 2013."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import DepthDataset, ItemFiles, image_files
from unstride.formats.cameras import parse_pose, read_intrinsics, read_tokens

LAST_TRAIN_FRAME, FIRST_VAL_FRAME = 800, 840  # frames in between are too similar to both splits


class PosedRGBD(DepthDataset):
    """One scene, or a folder of scenes, each with frames, depth registered to them, and poses.

    `train` are the frames with numbers up to 800, `val` those from 840, `all` every frame. A
    shorter scene has no `val`: it is skipped if another scene has one.

    `intrinsics[i]` is the 3 x 3 matrix K of item i for its image size, in pixels: the point
    (X, Y, Z) of the camera lies at (x, y) = (K (X, Y, Z)) / Z. The files put pixel centres at
    whole numbers, as OpenCV does; here the centre of pixel i is at i + 1/2. `poses[i]` is camera
    to world, in metres.
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
        scenes: dict[Path, tuple[Tensor, dict[str, Tensor]]] = {}
        cameras = []
        for image in self.image_paths:
            scene = image.parent.parent
            if scene not in scenes:
                intrinsics = read_intrinsics(scene / "intrinsics.txt", self.layout)
                scenes[scene] = intrinsics, _read_poses(scene / "poses.txt")
            intrinsics, poses = scenes[scene]
            if image.stem not in poses:
                raise ValueError(f"{scene / 'poses.txt'}: no pose for frame {image.stem}")
            cameras.append((intrinsics, poses[image.stem]))
        self.intrinsics = torch.stack([intrinsics for intrinsics, _ in cameras])
        self.poses = torch.stack([pose for _, pose in cameras])

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the split's frames of every scene."""
        single = (self.root / "images").is_dir()
        scenes = [self.root] if single else sorted(p.parent for p in self.root.glob("*/images"))
        for scene in scenes:
            for image in image_files(scene / "images"):
                if self._is_in_split(image):
                    name = image.stem if single else f"{scene.name}/{image.stem}"
                    yield ItemFiles(name, image, [scene / "depth" / f"{image.stem}.png"])

    def intrinsics_for(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """Return the intrinsics of an item at its own size; `size` is not used."""
        del size
        return self.intrinsics[index]

    def _is_in_split(self, image: Path) -> bool:
        if not image.stem.isdigit():
            raise ValueError(f"{image}: frame names must be numbers, such as 000120.jpg")
        number = int(image.stem)
        if self.split == "train":
            return number <= LAST_TRAIN_FRAME
        return number >= FIRST_VAL_FRAME or self.split == "all"


def _read_poses(path: Path) -> dict[str, Float[Tensor, "4 4"]]:
    poses = {}
    for frame, *tokens in read_tokens(path, PosedRGBD.layout):
        if len(tokens) != 12:
            raise ValueError(f"{path}: frame {frame} has {len(tokens)} numbers, but a pose has 12")
        poses[frame] = parse_pose(tokens, path)
    return poses
