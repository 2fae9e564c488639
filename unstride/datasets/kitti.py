"""KITTI odometry: video from a car, with camera poses. Geiger, Lenz, Urtasun, CVPR 2012.

Reads the published folders, or prepared sequences in a folder each. It has no depth of its own;
`KITTIDepth` has.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import ImageDataset, image_files
from unstride.formats.cameras import (
    check_intrinsics,
    parse_pose,
    read_calibration,
    read_intrinsics,
    read_tokens,
)
from unstride.formats.errors import naming_file
from unstride.formats.images import load_image
from unstride.geometry import half_pixel_intrinsics

VAL_SEQUENCES = ("09", "10")  # of the eleven sequences with poses; the others are `train`
PROJECTION_KEYS = {"image_2": "P2:", "image_0": "P0:"}  # colour, or grey where there is no colour


class OdometryFrame(NamedTuple):
    """A frame's name, image file, intrinsics and pose."""

    name: str
    image: Path
    intrinsics: Tensor
    pose: Tensor


class KITTIOdometry(ImageDataset):
    """Frames of one sequence after the other. An item is the image, RGB in [0, 1].

    `intrinsics[i]` and `poses[i]` (camera to world, metres) are as in `PosedRGBD`, of the camera
    that took the frame.

    Args:
        root: folder of the data set, of prepared sequences, or of one prepared sequence.
        split: "train" (00 to 08), "val" (09 and 10) or "all". Prepared sequences have only "all",
            which is the default.

    Raises:
        ValueError: if there is no such split, or a file of numbers is damaged.
        FileNotFoundError: if a folder or a file is missing, or there is no image.
    """

    splits = ("train", "val", "all")
    layout = (
        "[dataset/]sequences/NN/{image_2,calib.txt} and poses/NN.txt, "
        "or [SEQUENCE/]{images,intrinsics.txt,poses.txt}"
    )

    def __init__(self, root: str | Path, split: str = "all"):
        super().__init__(root, split)
        self.intrinsics: Float[Tensor, "n 3 3"] = torch.stack([f.intrinsics for f in self.items])
        self.poses: Float[Tensor, "n 4 4"] = torch.stack([f.pose for f in self.items])

    def __getitem__(self, index: int) -> Float[Tensor, "3 h w"]:
        return load_image(self.image_paths[index])[0]

    def find_items(self) -> Iterator[OdometryFrame]:
        """Yield the frames of every sequence of the split, in order."""
        for base_folder in (self.root, self.root / "dataset"):
            for sequence in sorted(base_folder.glob("sequences/*")):
                pose_file = base_folder / "poses" / f"{sequence.name}.txt"
                if pose_file.is_file() and self.split in ("all", _split_of(sequence.name)):
                    yield from self._official_frames(sequence, pose_file)
        if self.split == "all":
            single = (self.root / "images").is_dir()
            sequences = [self.root] if single else [p.parent for p in self.root.glob("*/images")]
            for sequence in sorted(sequences):
                intrinsics = read_intrinsics(sequence / "intrinsics.txt", self.layout)
                pose_file = sequence / "poses.txt"
                yield from self._frames_with_poses(sequence / "images", intrinsics, pose_file)

    def _official_frames(self, sequence: Path, pose_file: Path) -> Iterator[OdometryFrame]:
        """Yield the frames of a published sequence.

        Its poses are those of camera 0. A projection K (I | offset) gives the position of the
        camera that took the frame.
        """
        camera = "image_2" if (sequence / "image_2").is_dir() else "image_0"
        calibration = sequence / "calib.txt"
        values = read_calibration(calibration, PROJECTION_KEYS[camera], self.layout, count=12)
        projection = values.view(3, 4)
        check_intrinsics(projection[:, :3], calibration)
        camera_pose = torch.eye(4)
        with naming_file(calibration, "not the projection of a camera"):
            camera_pose[:3, 3] = -torch.linalg.solve(projection[:, :3], projection[:, 3])
        intrinsics = half_pixel_intrinsics(projection[:, :3])
        for frame in self._frames_with_poses(sequence / camera, intrinsics, pose_file):
            yield frame._replace(pose=frame.pose @ camera_pose)

    def _frames_with_poses(
        self, image_folder: Path, intrinsics: Tensor, pose_file: Path
    ) -> Iterator[OdometryFrame]:
        images = image_files(image_folder)
        rows = read_tokens(pose_file, self.layout)
        for image in images:
            if not image.stem.isdigit() or int(image.stem) >= len(rows):
                raise ValueError(
                    f"{pose_file}: no pose for frame {image.stem} among its {len(rows)} poses"
                )
            pose = parse_pose(rows[int(image.stem)], pose_file)
            name = f"{image_folder.parent.name}/{image.stem}"
            yield OdometryFrame(name, image, intrinsics, pose)


def _split_of(sequence: str) -> str:
    return "val" if sequence in VAL_SEQUENCES else "train"
