"""KITTI odometry: a car's frames with its poses. Geiger, Lenz, Urtasun, CVPR 2012.

Read as it is unpacked, or as prepared sequences of a folder each. It has no depth of its own;
`KITTIDepth` has.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.datasets.base import image_files
from unstride.formats.cameras import parse_pose, read_calibration, read_intrinsics, read_tokens
from unstride.formats.images import load_image
from unstride.geometry import half_pixel_intrinsics

VAL_SEQUENCES = ("09", "10")  # of the eleven sequences with poses; the rest is `train`
PROJECTION_KEYS = {"image_2": "P2:", "image_0": "P0:"}  # colour, or where that is missing, grey

OdometryFrame = tuple[str, Path, Tensor, Tensor]  # name, photograph, intrinsics, pose


class KITTIOdometry(Dataset):
    """Frames of one sequence after the other; an item is the photograph, RGB in [0, 1].

    `intrinsics[i]` and `poses[i]` (camera to world, metres) are as in `PosedRGBD`, of the camera
    that took the frame.

    Args:
        root: the folder of the data set, or of prepared sequences, or one of these.
        split: "train" (00 to 08), "val" (09 and 10) or "all"; prepared sequences know only "all".

    Raises:
        ValueError: if there is no such split, or a file of numbers is damaged.
        FileNotFoundError: if a folder or a file is missing, or there is no photograph.
    """

    splits = ("train", "val", "all")
    layout = (
        "[dataset/]sequences/NN/{image_2,calib.txt} and poses/NN.txt, "
        "or [SEQUENCE/]{images,intrinsics.txt,poses.txt}"
    )

    def __init__(self, root: str | Path, split: str = "all"):
        self.root, self.split = Path(root), split
        if split not in self.splits:
            raise ValueError(f"split {split!r}: there are {', '.join(self.splits)}")
        if not self.root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder; expected is {self.layout}")
        frames = list(self.find())
        if not frames:
            raise FileNotFoundError(f"{root}: no photograph of {split}; expected is {self.layout}")
        self.names = [name for name, _, _, _ in frames]
        self.images = [image for _, image, _, _ in frames]
        self.intrinsics: Float[Tensor, "n 3 3"] = torch.stack([k for _, _, k, _ in frames])
        self.poses: Float[Tensor, "n 4 4"] = torch.stack([pose for _, _, _, pose in frames])

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Float[Tensor, "3 h w"]:
        return load_image(self.images[index])[0]

    def find(self) -> Iterator[OdometryFrame]:
        """The frames of every sequence of the split, in order."""
        for home in (self.root, self.root / "dataset"):
            for folder in sorted(home.glob("sequences/*")):
                poses = home / "poses" / f"{folder.name}.txt"
                if poses.is_file() and self.split in ("all", self._split(folder.name)):
                    yield from self._published(folder, poses)
        if self.split == "all":
            single = (self.root / "images").is_dir()
            folders = [self.root] if single else [p.parent for p in self.root.glob("*/images")]
            for folder in sorted(folders):
                matrix = read_intrinsics(folder / "intrinsics.txt", self.layout)
                poses = folder / "poses.txt"
                yield from self._frames(folder / "images", folder.name, matrix, poses)

    def _split(self, name: str) -> str:
        return "val" if name in VAL_SEQUENCES else "train"

    def _published(self, folder: Path, poses: Path) -> Iterator[OdometryFrame]:
        """Poses there are those of camera 0; a projection K (I | offset) says where ours is."""
        camera = "image_2" if (folder / "image_2").is_dir() else "image_0"
        calibration = folder / "calib.txt"
        named = read_calibration(calibration, PROJECTION_KEYS[camera], self.layout, count=12)
        projection = named.view(3, 4)
        ours = torch.eye(4)
        ours[:3, 3] = -torch.linalg.solve(projection[:, :3], projection[:, 3])
        matrix = half_pixel_intrinsics(projection[:, :3])
        for name, image, _, pose in self._frames(folder / camera, folder.name, matrix, poses):
            yield name, image, matrix, pose @ ours

    def _frames(
        self, images: Path, name: str, matrix: Tensor, poses: Path
    ) -> Iterator[OdometryFrame]:
        found = image_files(images)
        rows = read_tokens(poses, self.layout)
        for image in found:
            if not image.stem.isdigit() or int(image.stem) >= len(rows):
                raise ValueError(f"{poses}: {len(rows)} poses, none of frame {image.stem}")
            pose = parse_pose(rows[int(image.stem)], poses)
            yield f"{name}/{image.stem}", image, matrix, pose
