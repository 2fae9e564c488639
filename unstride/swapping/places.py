"""The places where a model upsamples, and their table.

A place is a call of `F.interpolate` on maps (`nn.Upsample` calls it), or an `nn.ConvTranspose2d` of
stride 2 or more, in the forward of one module. A module that runs several times is one place, not
several.
"""

import math
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

DECONVOLUTION = "deconvolution"


@dataclass(frozen=True)
class Guide:
    """A tensor of a place's output size that the model has available there.

    Args:
        module_path: path of the module whose forward has the tensor.
        producer_path: path of the module that returned it there. None if it is an argument.
        key_path: path to the tensor in the returned value, or in (arguments, keyword arguments).
        channels: number of channels.
    """

    module_path: str
    producer_path: str | None
    key_path: tuple
    channels: int

    def __str__(self):
        if self.producer_path is not None:
            return f"output of {self.producer_path or 'self'}"
        return f"argument {'.'.join(map(str, self.key_path[1:]))} of {self.module_path or 'self'}"


@dataclass(frozen=True)
class InterpolateSignature:
    """What distinguishes one call of `F.interpolate` in a forward from another.

    Sizes are not part of it, since they differ from image to image.
    """

    channels: int
    mode: str
    align_corners: bool
    size_argument: str  # "size" or "scale_factor"


@dataclass(frozen=True)
class Place:
    """A place where a model upsamples, and what becomes of it.

    Args:
        module_path: path of the module whose forward upsamples. Empty for the model itself.
        signature: signature of the call. None for a transposed convolution.
        call_index: number of earlier calls with the same signature in that forward.
        input_meta: the input in the dry run, as a tensor without values (batch size 0).
        out_channels: number of channels of the result.
        output_size: size of the result in the dry run, (height, width).
        guide_candidates: tensors of that size that the model has available, the nearest first.
        skip_reason: why the place is left alone. Empty if it is swapped.
        index_in_module: index among the places of the same module. None if it is the only one.
        upsampler_name: the upsampler that was put there, if any.
        guide: the guide that the upsampler gets.
    """

    module_path: str
    signature: InterpolateSignature | None
    call_index: int
    input_meta: Tensor = field(repr=False, compare=False)
    out_channels: int
    output_size: tuple[int, int]
    guide_candidates: tuple[Guide, ...] = ()
    skip_reason: str = ""
    index_in_module: int | None = None
    upsampler_name: str = ""
    guide: Guide | None = None

    @property
    def name(self) -> str:
        """The module's path, and an index if the module upsamples in several places."""
        index = "" if self.index_in_module is None else f":{self.index_in_module}"
        return (self.module_path or "self") + index

    @property
    def kind(self) -> str:
        """The mode of the interpolation, or "deconvolution"."""
        return self.signature.mode if self.signature else DECONVOLUTION

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, rounded, along the axis that grows more."""
        return rounded_scale(self.input_meta.shape[2:], self.output_size)


class PlaceList(list[Place]):
    """Places in the order in which the model reaches them; prints as a table."""

    def __str__(self):
        rows = [("place", "now", "channels", "size", "becomes")]
        for _, group in groupby(self, _table_key):
            place, *others = group
            h, w = place.input_meta.shape[2:]
            c = place.input_meta.shape[1]
            name = place.name + (f" to {others[-1].index_in_module}" if others else "")
            channels = f"{c}" if c == place.out_channels else f"{c} -> {place.out_channels}"
            sizes = f"{h} x {w} -> {place.output_size[0]} x {place.output_size[1]}"
            rows.append((name, place.kind, channels, sizes, _outcome_text(place)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)


def _table_key(place: Place) -> tuple:
    """Return a key that is equal for places that share a row: skipped for the same reason."""
    if place.skip_reason:
        return place.module_path, place.signature, place.skip_reason
    return (place.name,)


def _outcome_text(place: Place) -> str:
    if place.skip_reason:
        return f"left alone: {place.skip_reason}"
    if place.upsampler_name:
        return place.upsampler_name + (f", guide: {place.guide}" if place.guide else "")
    nearest = f", guide: {place.guide_candidates[0]}" if place.guide_candidates else ""
    return f"scale {place.scale}{nearest}"


def rounded_scale(input_size: tuple[int, ...], output_size: tuple[int, int]) -> int:
    """Return output pixels per input pixel, rounded, along the axis that grows more."""
    return max(round(n_out / n_in) for n_in, n_out in zip(input_size, output_size, strict=True))


def parse_interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, *_, **__
) -> tuple[Tensor, tuple[int, int], InterpolateSignature] | None:
    """Return the input, output size and signature of an `F.interpolate` call on maps, else None."""
    if input.ndim != 4:
        return None
    size_argument = "scale_factor" if size is None else "size"
    signature = InterpolateSignature(int(input.shape[1]), mode, bool(align_corners), size_argument)
    value = scale_factor if size is None else size
    h, w = value if isinstance(value, (tuple, list, torch.Size)) else (value, value)
    if size is None:
        h, w = _scaled_length(input.shape[2], h), _scaled_length(input.shape[3], w)
    return input, (h, w), signature


def _scaled_length(n, factor):
    return n * int(factor) if factor == int(factor) else math.floor(n * factor)
