"""Resizes, flips and recolours samples of `datasets.frame_triplets`, with their cameras."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms import v2

from unstride.geometry import resized_intrinsics
from unstride.transforms.resize import resize_bilinear

TripletSample = dict[str, Any]


def resize_triplet(sample: TripletSample, size: tuple[int, int]) -> TripletSample:
    """Resize a sample of `FrameTriplets`; depth takes the value at the nearest pixel centre."""
    old_size = sample["image"].shape[1], sample["image"].shape[2]
    images = torch.cat([sample["image"][None], sample["sources"]])
    images = resize_bilinear(images, size).clamp(0, 1)
    resized = {"image": images[0], "sources": images[1:]}
    resized["intrinsics"] = resized_intrinsics(sample["intrinsics"], old_size, size)
    if "depth" in sample:
        depth = sample["depth"][None, None]
        resized["depth"] = interpolate(depth, size, mode="nearest-exact")[0, 0]
    return sample | resized


def flip_triplet(sample: TripletSample) -> TripletSample:
    """Flip a sample of `FrameTriplets` horizontally, with its intrinsics and motion."""
    flipped: TripletSample = {
        key: sample[key].flip(-1) for key in ("image", "sources", "depth") if key in sample
    }
    flipped["intrinsics"] = flipped_intrinsics(sample["intrinsics"], sample["image"].shape[-1])
    if "poses" in sample:
        mirror = torch.diag(sample["poses"].new_tensor([-1.0, 1.0, 1.0, 1.0]))
        flipped["poses"] = mirror @ sample["poses"] @ mirror
    return sample | flipped


def add_augmented_frames(sample: TripletSample, colour_transform: v2.Transform) -> TripletSample:
    """Add `augmented_frames` "3 3 h w" to a sample of `FrameTriplets`: the input of networks.

    These are the frames before, here and after with other colours, the same change for all three.
    The frames that the loss compares stay as they are (Godard et al., arXiv:1806.01260, section 4).

    Args:
        sample: sample of `FrameTriplets`.
        colour_transform: changes the colours of a batch of frames.
    """
    before, after = sample["sources"]
    frames = torch.stack([before, sample["image"], after])
    return sample | {"augmented_frames": colour_transform(frames)}


def flipped_intrinsics(intrinsics: Float[Tensor, "*b 3 3"], width: int) -> Float[Tensor, "*b 3 3"]:
    """Return the intrinsics of the horizontally flipped image.

    Args:
        intrinsics: intrinsics in pixels.
        width: width of the image, in pixels.
    """
    flipped = intrinsics.clone()
    flipped[..., 0, 2] = width - intrinsics[..., 0, 2]
    flipped[..., 0, 1] = -intrinsics[..., 0, 1]
    return flipped
