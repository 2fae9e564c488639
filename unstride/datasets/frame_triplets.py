"""Three consecutive video frames, for learning depth without labels."""

from pathlib import Path

import torch
from torch.utils.data import Dataset

from unstride.datasets.base import DepthDataset, image_files
from unstride.datasets.kitti import KITTIOdometry
from unstride.datasets.kitti_depth import KITTIDepth
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.formats.errors import naming_file
from unstride.formats.images import load_image
from unstride.geometry import relative_pose
from unstride.transforms.frame_triplets import TripletSample, resize_triplet

VideoDataset = PosedRGBD | KITTIOdometry | KITTIDepth


class FrameTriplets(Dataset):
    """Frames of a video that have a frame before and a frame after.

    An item has `image` "3 h w", `sources` "2 3 h w" (before, after), `intrinsics` "3 3", and, where
    the data set has them, `poses` "2 4 4" from the frame's camera to each source's and `depth`
    "h w". `KITTIDepth` has no poses; its neighbours need no depth and need not be in the split's
    list.

    Args:
        frames: frames of one or more sequences, numbered by their file names.
        spacing: distance to the neighbours, in frame numbers. If only every third frame was kept,
            3 is the next one. Default: 1.
        size: rows and columns to which everything is resized; depth takes the value at the nearest
            pixel centre. Default: the size of the images.
        with_depth: read depth, if the data set has it. Default: True.

    Raises:
        ValueError: if no frame has neighbours at this spacing.
    """

    def __init__(
        self,
        frames: VideoDataset,
        spacing: int = 1,
        size: tuple[int, int] | None = None,
        *,
        with_depth: bool = True,
    ):
        self.frames, self.size, self.with_depth = frames, size, with_depth
        self.index_of_path = {path: i for i, path in enumerate(frames.image_paths)}
        neighbours = {_sequence_and_number(path): path for path in _candidate_frames(frames)}
        self.triplets = [
            (neighbours[folder, n - spacing], i, neighbours[folder, n + spacing])
            for i, (folder, n) in enumerate(map(_sequence_and_number, frames.image_paths))
            if (folder, n - spacing) in neighbours and (folder, n + spacing) in neighbours
        ]
        self.names = [frames.names[i] for _, i, _ in self.triplets]
        if not self.triplets or spacing == 0:
            first_names = ", ".join(path.name for path in frames.image_paths[:3])
            raise ValueError(
                f"{frames.root}: no frame has neighbours at spacing {spacing}; "
                f"the first frames are {first_names}"
            )

    def __len__(self) -> int:
        return len(self.triplets)

    def __getitem__(self, index: int) -> TripletSample:
        before, frame, after = self.triplets[index]
        image = load_image(self.frames.image_paths[frame])
        sources = torch.cat([load_image(path) for path in (before, after)])
        size = image.shape[2], image.shape[3]
        sample: TripletSample = {"image": image[0], "sources": sources}
        if isinstance(self.frames, KITTIDepth):
            sample["intrinsics"] = self.frames.intrinsics_for(frame, size)
        else:
            pose, others = self.frames.poses, [self.index_of_path[path] for path in (before, after)]
            sample["intrinsics"] = self.frames.intrinsics[frame]
            with naming_file(self.frames.image_paths[frame], "not the poses of a camera"):
                sample["poses"] = torch.stack([relative_pose(pose[frame], pose[i]) for i in others])
        if self.with_depth and isinstance(self.frames, DepthDataset):
            sample["depth"] = self.frames.read_labels(frame, size)
        return sample if self.size in (None, size) else resize_triplet(sample, self.size)


def _candidate_frames(frames: VideoDataset) -> list[Path]:
    """Return the images that may be neighbours: frames with known poses, or all of KITTI's."""
    if not isinstance(frames, KITTIDepth):
        return frames.image_paths
    folders = sorted({path.parent for path in frames.image_paths})
    return [p for folder in folders for p in image_files(folder) if p.stem.isdigit()]


def _sequence_and_number(path: Path) -> tuple[Path, int]:
    return path.parent, int(path.stem)
