"""A frame with those before and after it: what depth is learned from without labels."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset
from torchvision.transforms import v2

from unstride.data.images import load_image
from unstride.data.kitti import KITTIOdometry
from unstride.data.labels import load_depth
from unstride.data.posed_rgbd import PosedRGBD
from unstride.geometry import relative_pose, resized_intrinsics

Sample = dict[str, Any]


class Neighbours(Dataset):
    """The frames of a sequence that have both neighbours.

    An item has `image` "3 h w", `sources` "2 3 h w" (before, after), `intrinsics` "3 3", `poses`
    "2 4 4" from the frame's camera to each source's, and, where the data set has it, `depth` "h w".

    Args:
        frames: of one or more sequences, numbered by their files' names.
        spacing: to the neighbours, in frame numbers: 3 is next where every third frame was kept.
        size: rows and columns to which all is resized; depth to the value at the nearest centre.

    Raises:
        ValueError: if no frame has neighbours there.
    """

    def __init__(
        self,
        frames: PosedRGBD | KITTIOdometry,
        spacing: int = 1,
        size: tuple[int, int] | None = None,
    ):
        self.frames, self.size = frames, size
        places = {(path.parent, int(path.stem)): i for i, path in enumerate(frames.images)}
        self.triples = [
            (places[folder, n - spacing], i, places[folder, n + spacing])
            for (folder, n), i in places.items()
            if (folder, n - spacing) in places and (folder, n + spacing) in places
        ]
        self.names = [frames.names[i] for _, i, _ in self.triples]
        if not self.triples or spacing == 0:
            raise ValueError(
                f"{frames.root}: no frame has neighbours {spacing} before and after it; "
                f"the first frames are {', '.join(path.name for path in frames.images[:3])}"
            )

    def __len__(self) -> int:
        return len(self.triples)

    def __getitem__(self, index: int) -> Sample:
        before, frame, after = self.triples[index]
        image = load_image(self.frames.images[frame])
        sources = [load_image(self.frames.images[i]) for i in (before, after)]
        pose = self.frames.poses
        size = image.shape[2], image.shape[3]
        sample: Sample = {
            "image": image[0],
            "sources": torch.cat(sources),
            "intrinsics": self.frames.intrinsics[frame],
            "poses": torch.stack([relative_pose(pose[frame], pose[i]) for i in (before, after)]),
        }
        if isinstance(self.frames, PosedRGBD):
            sample["depth"] = load_depth(self.frames.labels[frame][0], size)
        return sample if self.size in (None, size) else resized(sample, self.size)


def resized(sample: Sample, size: tuple[int, int]) -> Sample:
    """A sample of `Neighbours` at another size; depth takes the value at the nearest centre."""
    before = sample["image"].shape[1], sample["image"].shape[2]
    images = torch.cat([sample["image"][None], sample["sources"]])
    images = interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
    moved = {"image": images[0], "sources": images[1:]}
    moved["intrinsics"] = resized_intrinsics(sample["intrinsics"], before, size)
    if "depth" in sample:
        depth = sample["depth"][None, None]
        moved["depth"] = interpolate(depth, size, mode="nearest-exact")[0, 0]
    return sample | moved


def mirrored(sample: Sample) -> Sample:
    """A sample of `Neighbours` in the world seen in a mirror: left is right, for motion too."""
    mirror = torch.diag(sample["poses"].new_tensor([-1.0, 1.0, 1.0, 1.0]))
    moved: Sample = {
        key: sample[key].flip(-1) for key in ("image", "sources", "depth") if key in sample
    }
    moved["intrinsics"] = _mirrored_intrinsics(sample["intrinsics"], sample["image"].shape[-1])
    moved["poses"] = mirror @ sample["poses"] @ mirror
    return sample | moved


def recoloured(sample: Sample, strength: float) -> Sample:
    """A sample of `Neighbours` with `shown` "3 3 h w" besides: what networks shall be shown.

    These are the frames before, here and after, in other colours, the same for the three. What is
    compared stays as it was (Godard et al., arXiv:1806.01260, section 4).

    Args:
        sample: of `Neighbours`.
        strength: how much brightness, contrast and saturation change, 0 to 1; the hue changes by
            a tenth of it.
    """
    before, after = sample["sources"]
    frames = torch.stack([before, sample["image"], after])
    jitter = v2.ColorJitter(strength, strength, strength, strength / 10)
    return sample | {"shown": jitter(frames)}


def _mirrored_intrinsics(
    intrinsics: Float[Tensor, "*b 3 3"], width: int
) -> Float[Tensor, "*b 3 3"]:
    moved = intrinsics.clone()
    moved[..., 0, 2] = width - intrinsics[..., 0, 2]
    moved[..., 0, 1] = -intrinsics[..., 0, 1]
    return moved
