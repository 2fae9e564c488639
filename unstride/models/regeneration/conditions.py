"""Conditions: predictions of a network as maps that a regeneration module can take.

Borse et al., "DejaVu", arXiv:2303.01573, section 3.2, takes "the dense prediction". What exactly,
the sources that we could read do not say. Here every kind of prediction becomes bounded maps of
the image's size, so that a network cannot hide colours in the scale of its logits.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from unstride.precision import upcast_half
from unstride.transforms.resize import resize_bilinear

TINY = 1e-12  # keeps quotients finite


def class_probabilities(
    logits: Float[Tensor, "b n h w"], temperature: float = 1.0
) -> Float[Tensor, "b n h w"]:
    """Softmax over classes, of the logits divided by the temperature."""
    return (logits / temperature).softmax(1)


def relative_disparity(disparity: Float[Tensor, "b h w"]) -> Float[Tensor, "b 1 h w"]:
    """Disparity divided by its mean over the image, so that its unit does not matter."""
    mean = disparity.mean((1, 2), keepdim=True)
    return (disparity / mean.clamp(min=TINY))[:, None]


def relative_inverse_depth(depth: Float[Tensor, "b h w"]) -> Float[Tensor, "b 1 h w"]:
    """One over depth, divided by its mean over the image."""
    return relative_disparity(1 / depth.clamp(min=TINY))


def unit_vectors(normals: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Vectors of length 1."""
    return normalize(normals, dim=1)


def relative_offsets(offsets: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b 2 h w"]:
    """Offsets (x, y) in pixels, divided by the sides of the image."""
    return offsets / offsets.new_tensor([offsets.shape[3], offsets.shape[2]])[:, None, None]


def unit_features(features: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
    """Features divided by their root mean square over each image."""
    return features * features.square().mean((1, 2, 3), keepdim=True).clamp(min=TINY).rsqrt()


def one_map(values: Float[Tensor, "b h w"]) -> Float[Tensor, "b 1 h w"]:
    """Values as they are, for alpha in [0, 1] and heatmaps of object centres."""
    return values[:, None]


CONDITIONS: dict[str, Callable[..., Tensor]] = {
    "classes": class_probabilities,
    "depth": relative_inverse_depth,
    "disparity": relative_disparity,
    "normals": unit_vectors,
    "heatmap": one_map,
    "offsets": relative_offsets,
    "alpha": one_map,
    "features": unit_features,
}


def condition(
    predictions: Mapping[str, Tensor], size: tuple[int, int], temperature: float = 1.0
) -> Float[Tensor, "b n H W"]:
    """The maps of all predictions, one after the other, at the size of the image.

    Args:
        predictions: by kind: `classes` (logits "b n h w"), `depth` and `disparity` ("b h w", above
            0), `normals` ("b 3 h w"), `heatmap` ("b h w"), `offsets` ("b 2 h w", in pixels),
            `alpha` ("b h w", in [0, 1]) and `features` ("b d h w").
        size: height and width of the image.
        temperature: of the classes' softmax.
    """
    maps = []
    for kind, prediction in predictions.items():
        options = {"temperature": temperature} if kind == "classes" else {}
        maps.append(resize_bilinear(CONDITIONS[kind](upcast_half(prediction), **options), size))
    return torch.cat(maps, 1)


def check_kinds(channels: Mapping[str, int]) -> None:
    """Refuse kinds of predictions that have no condition.

    Raises:
        ValueError: if there are none, or one is unknown.
    """
    unknown = [kind for kind in channels if kind not in CONDITIONS]
    if unknown or not channels:
        raise ValueError(
            f"kinds of predictions must be among {', '.join(CONDITIONS)}, "
            f"got {', '.join(unknown) or 'none'}"
        )
