"""A frame with those before and after it: what depth is learned from without labels."""

from pathlib import Path

import torch
from torch.utils.data import Dataset

from unstride.datasets.base import DepthDataset, image_files
from unstride.datasets.kitti import KITTIOdometry
from unstride.datasets.kitti_depth import KITTIDepth
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.formats.images import load_image
from unstride.geometry import relative_pose
from unstride.transforms.frame_triplets import TripletSample, resize_triplet


class FrameTriplets(Dataset):
    """The frames of a sequence that have both neighbours.

    An item has `image` "3 h w", `sources` "2 3 h w" (before, after), `intrinsics` "3 3", and, where
    the data set has them, `poses` "2 4 4" from the frame's camera to each source's and `depth`
    "h w". `KITTIDepth` has no poses; its neighbours need no depth, nor be in the split's list.

    Args:
        frames: of one or more sequences, numbered by their files' names.
        spacing: to the neighbours, in frame numbers: 3 is next where every third frame was kept.
        size: rows and columns to which all is resized; depth to the value at the nearest centre.
        depth: whether it is read, where there is any.

    Raises:
        ValueError: if no frame has neighbours there.
    """

    def __init__(
        self,
        frames: PosedRGBD | KITTIOdometry | KITTIDepth,
        spacing: int = 1,
        size: tuple[int, int] | None = None,
        *,
        depth: bool = True,
    ):
        self.frames, self.size, self.depth = frames, size, depth
        self.places = {path: i for i, path in enumerate(frames.images)}
        around = {_sequence_and_number(path): path for path in _candidate_frames(frames)}
        self.triples = [
            (around[folder, n - spacing], i, around[folder, n + spacing])
            for i, (folder, n) in enumerate(map(_sequence_and_number, frames.images))
            if (folder, n - spacing) in around and (folder, n + spacing) in around
        ]
        self.names = [frames.names[i] for _, i, _ in self.triples]
        if not self.triples or spacing == 0:
            raise ValueError(
                f"{frames.root}: no frame has neighbours {spacing} before and after it; "
                f"the first frames are {', '.join(path.name for path in frames.images[:3])}"
            )

    def __len__(self) -> int:
        return len(self.triples)

    def __getitem__(self, index: int) -> TripletSample:
        before, frame, after = self.triples[index]
        image = load_image(self.frames.images[frame])
        sources = torch.cat([load_image(path) for path in (before, after)])
        size = image.shape[2], image.shape[3]
        sample: TripletSample = {"image": image[0], "sources": sources}
        if isinstance(self.frames, KITTIDepth):
            sample["intrinsics"] = self.frames.camera(frame, size)
        else:
            pose, others = self.frames.poses, [self.places[path] for path in (before, after)]
            sample["intrinsics"] = self.frames.intrinsics[frame]
            sample["poses"] = torch.stack([relative_pose(pose[frame], pose[i]) for i in others])
        if self.depth and isinstance(self.frames, DepthDataset):
            sample["depth"] = self.frames.read(frame, size)
        return sample if self.size in (None, size) else resize_triplet(sample, self.size)


def _candidate_frames(frames: PosedRGBD | KITTIOdometry | KITTIDepth) -> list[Path]:
    """The photographs among which there are neighbours: frames with known poses, or all."""
    if not isinstance(frames, KITTIDepth):
        return frames.images
    folders = sorted({path.parent for path in frames.images})
    return [p for folder in folders for p in image_files(folder) if p.stem.isdigit()]


def _sequence_and_number(path: Path) -> tuple[Path, int]:
    return path.parent, int(path.stem)
