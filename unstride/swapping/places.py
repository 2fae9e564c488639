"""What a place is: where a model upsamples.

That is `F.interpolate` on maps (`nn.Upsample` calls it) and `nn.ConvTranspose2d` of stride 2
and more. A place is such a call in the forward of one module; a module that runs several times
is one place, not several.
"""

import math
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

DECONVOLUTION = "deconvolution"


@dataclass(frozen=True)
class Guide:
    """A tensor that the model has at hand, at a place's output size.

    Args:
        frame: path of the module in whose forward it is at hand.
        child: path of the module that returned it there; None if it is an argument.
        keys: the way to it in what was returned, or in (arguments, keyword arguments).
        channels: of it.
    """

    frame: str
    child: str | None
    keys: tuple
    channels: int

    def __str__(self):
        if self.child is not None:
            return f"output of {self.child or 'self'}"
        return f"argument {'.'.join(map(str, self.keys[1:]))} of {self.frame or 'self'}"


@dataclass(frozen=True)
class InterpolateSignature:
    """What tells one call of `F.interpolate` in a forward from another.

    Sizes are no part of it, since they differ from image to image.
    """

    channels: int
    mode: str
    align_corners: bool
    by: str  # "size" or "scale_factor"


@dataclass(frozen=True)
class Place:
    """Where a model upsamples, and what becomes of it.

    Args:
        path: of the module in whose forward it happens; empty for the model itself.
        signature: of the call; None for a transposed convolution.
        call: how many calls of the same signature come before it in that forward.
        features: what is upsampled in the dry forward, as a tensor without values.
        channels: of the result.
        size: of the result in the dry forward, (height, width).
        guides: tensors of that size that the model has at hand, the nearest first.
        left_alone: why it keeps what it has; empty if it is swapped.
        number: among the places of the same module; None if it is the only one.
        upsampler: what has been put there, if anything.
        guide: the one it is given.
    """

    path: str
    signature: InterpolateSignature | None
    call: int
    features: Tensor = field(repr=False, compare=False)
    channels: int
    size: tuple[int, int]
    guides: tuple[Guide, ...] = ()
    left_alone: str = ""
    number: int | None = None
    upsampler: str = ""
    guide: Guide | None = None

    @property
    def name(self) -> str:
        """The module's path, and a number if it upsamples in several places."""
        return (self.path or "self") + ("" if self.number is None else f":{self.number}")

    @property
    def kind(self) -> str:
        """The mode of the interpolation, or "deconvolution"."""
        return self.signature.mode if self.signature else DECONVOLUTION

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, rounded; along the axis where there are more."""
        return rounded_scale(self.features.shape[2:], self.size)


class PlaceList(list[Place]):
    """Places in the order in which the model comes to them; printed as a table."""

    def __str__(self):
        rows = [("place", "now", "channels", "size", "becomes")]
        for _, alike in groupby(self, _table_key):
            place, *others = alike
            h, w = place.features.shape[2:]
            c = place.features.shape[1]
            name = place.name + (f" to {others[-1].number}" if others else "")
            channels = f"{c}" if c == place.channels else f"{c} -> {place.channels}"
            sizes = f"{h} x {w} -> {place.size[0]} x {place.size[1]}"
            rows.append((name, place.kind, channels, sizes, _outcome_text(place)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)


def _table_key(place: Place) -> tuple:
    """What places have in common that share a row of the table: being left alone alike."""
    if place.left_alone:
        return place.path, place.signature, place.left_alone
    return (place.name,)


def _outcome_text(place: Place) -> str:
    if place.left_alone:
        return f"left alone: {place.left_alone}"
    if place.upsampler:
        return place.upsampler + (f", guide: {place.guide}" if place.guide else "")
    return f"scale {place.scale}" + (f", guide: {place.guides[0]}" if place.guides else "")


def rounded_scale(grid: tuple[int, ...], size: tuple[int, int]) -> int:
    """Output pixels per input pixel, rounded; along the axis where there are more."""
    return max(round(n_out / n_in) for n_in, n_out in zip(grid, size, strict=True))


def parse_interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, *_, **__
) -> tuple[Tensor, tuple[int, int], InterpolateSignature] | None:
    """What a call of `F.interpolate` upsamples, to which size; None if it is no map."""
    if input.ndim != 4:
        return None
    signature = InterpolateSignature(
        int(input.shape[1]), mode, bool(align_corners), "scale_factor" if size is None else "size"
    )
    asked = scale_factor if size is None else size
    h, w = asked if isinstance(asked, (tuple, list, torch.Size)) else (asked, asked)
    if size is None:
        h, w = _scaled_length(input.shape[2], h), _scaled_length(input.shape[3], w)
    return input, (h, w), signature


def _scaled_length(n, factor):
    return n * int(factor) if factor == int(factor) else math.floor(n * factor)
