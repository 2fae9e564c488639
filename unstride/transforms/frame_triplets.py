"""TODO."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms import v2

from unstride.geometry import resized_intrinsics

TripletSample = dict[str, Any]


def resize_triplet(sample: TripletSample, size: tuple[int, int]) -> TripletSample:
    """A sample of `FrameTriplets` at another size; depth takes the value at the nearest centre."""
    before = sample["image"].shape[1], sample["image"].shape[2]
    images = torch.cat([sample["image"][None], sample["sources"]])
    images = interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
    moved = {"image": images[0], "sources": images[1:]}
    moved["intrinsics"] = resized_intrinsics(sample["intrinsics"], before, size)
    if "depth" in sample:
        depth = sample["depth"][None, None]
        moved["depth"] = interpolate(depth, size, mode="nearest-exact")[0, 0]
    return sample | moved


def flip_triplet(sample: TripletSample) -> TripletSample:
    """A sample of `FrameTriplets` in the world seen in a mirror: left is right, for motion too."""
    moved: TripletSample = {
        key: sample[key].flip(-1) for key in ("image", "sources", "depth") if key in sample
    }
    moved["intrinsics"] = flipped_intrinsics(sample["intrinsics"], sample["image"].shape[-1])
    if "poses" in sample:
        mirror = torch.diag(sample["poses"].new_tensor([-1.0, 1.0, 1.0, 1.0]))
        moved["poses"] = mirror @ sample["poses"] @ mirror
    return sample | moved


def add_augmented_frames(sample: TripletSample, recolour: v2.Transform) -> TripletSample:
    """A sample of `FrameTriplets` with `shown` "3 3 h w" besides: what networks shall be shown.

    These are the frames before, here and after, in other colours, the same for the three. What is
    compared stays as it was (Godard et al., arXiv:1806.01260, section 4).

    Args:
        sample: of `FrameTriplets`.
        recolour: what changes the colours of frames.
    """
    before, after = sample["sources"]
    frames = torch.stack([before, sample["image"], after])
    return sample | {"shown": recolour(frames)}


def flipped_intrinsics(intrinsics: Float[Tensor, "*b 3 3"], width: int) -> Float[Tensor, "*b 3 3"]:
    """Intrinsics of the horizontally flipped image.

    Args:
        intrinsics: in pixels.
        width: of the image, in pixels.
    """
    moved = intrinsics.clone()
    moved[..., 0, 2] = width - intrinsics[..., 0, 2]
    moved[..., 0, 1] = -intrinsics[..., 0, 1]
    return moved
