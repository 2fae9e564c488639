"""Builds the upsampler of each place: its channels, guide, start, and the kernel that it holds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from inspect import Parameter
from inspect import signature as parameters_of
from typing import get_args

from torch import nn

from unstride.formats.errors import first_line
from unstride.swapping.places import Guide, Place, PlaceList
from unstride.upsamplers.by_name import UPSAMPLERS, create_upsampler
from unstride.upsamplers.convolution import Deconvolution, PixelShuffle
from unstride.upsamplers.image_check import accept_any_range

UpsamplersByPlace = dict[str, nn.ModuleList]  # by name: an upsampler, perhaps a convolution


def build_upsamplers(
    found: PlaceList,
    factory: Callable,
    selected: set[str],
    exact_names: set[str],
    kernels: Mapping[str, nn.ConvTranspose2d],
) -> tuple[PlaceList, UpsamplersByPlace]:
    """Build the upsamplers of the selected places; return what becomes of all places, and them.

    Args:
        found: the places of the model.
        factory: called as `factory(channels, scale)`.
        selected: names of the places to swap.
        exact_names: names that the user gave; these are swapped even if they would be left alone.
        kernels: transposed convolutions, by place, as which upsamplers are to begin.
    """
    places, upsamplers = PlaceList(), {}
    for place in found:
        if place.name not in selected:
            place = replace(place, skip_reason=place.skip_reason or "not selected")
        elif not place.skip_reason or place.name in exact_names:
            layer = kernels.get(place.name)
            place, modules = _fill_place(place, _for_kernel(factory, layer))
            if modules is not None and layer is not None:
                _hold_kernel(place, modules, layer)
            if modules is not None:
                upsamplers[place.name] = modules
            elif place.name in exact_names:
                raise ValueError(
                    "only must match places that can be swapped, "
                    f"got {place.name}: {place.skip_reason}"
                )
        places.append(place)
    return places, upsamplers


def transposed_convolutions(model: nn.Module, places: PlaceList) -> dict[str, nn.ConvTranspose2d]:
    """The transposed convolutions among the places, by the places' names."""
    found = {}
    for place in places:
        module = model.get_submodule(place.module_path)
        if place.signature is None and isinstance(module, nn.ConvTranspose2d):
            found[place.name] = module
    return found


def _for_kernel(factory: Callable, layer: nn.ConvTranspose2d | None) -> Callable:
    """The factory; a deconv gets the side of the kernel that it is to hold."""
    bound = getattr(factory, "keywords", {})
    if layer is None or _maker(factory) is not Deconvolution or "kernel_size" in bound:
        return factory
    return partial(factory, kernel_size=layer.kernel_size[0])


def _hold_kernel(place: Place, modules: nn.ModuleList, layer: nn.ConvTranspose2d) -> None:
    """Let a place's upsampler begin as the transposed convolution that it replaces.

    Raises:
        ValueError: if it cannot.
    """
    upsampler, *others = modules
    if not isinstance(upsampler, Deconvolution | PixelShuffle):
        raise ValueError(
            f"copy_kernels needs deconv or pixel_shuffle, got {type(upsampler).__name__} for "
            f"{place.name}"
        )
    try:
        if others:
            raise ValueError(f"it has {layer.in_channels} channels in, {layer.out_channels} out")
        upsampler.hold(layer)
    except ValueError as error:
        raise ValueError(f"copy_kernels at {place.name}: {error}") from None


def _maker(factory: Callable) -> Callable:
    """The class or function that a factory calls in the end."""
    maker = getattr(factory, "func", factory)
    if maker is create_upsampler:
        return UPSAMPLERS.get(factory.args[0], maker)  # type: ignore[attr-defined]
    return maker


def _fill_place(place: Place, factory: Callable) -> tuple[Place, nn.ModuleList | None]:
    """Build the upsampler of a place; if it cannot be built, the place says what is missing."""
    upsampler, guide, reason = _create_upsampler(place, factory)
    if upsampler is None:
        return replace(place, skip_reason=reason), None
    modules, name = [upsampler], type(upsampler).__name__
    if place.input_meta.shape[1] != place.out_channels:
        modules.append(nn.Conv2d(place.input_meta.shape[1], place.out_channels, 1))
        name += " and a 1 x 1 convolution"
    accept_any_range(upsampler)  # the model may normalise its images, and give them as guides
    filled = replace(place, skip_reason="", upsampler_name=name, guide=guide)
    return filled, nn.ModuleList(modules).to(place.input_meta.device, place.input_meta.dtype)


def _create_upsampler(
    place: Place, factory: Callable
) -> tuple[nn.Module | None, Guide | None, str]:
    """Return an upsampler and the nearest guide that it takes, or None and what is missing."""
    channels, scale = place.input_meta.shape[1], max(place.scale, 1)
    factory = _starting_as(place, factory)
    reason = f"no guide of {place.output_size[0]} x {place.output_size[1]} pixels is available"
    for option in _guide_options(place, factory):
        try:
            upsampler = factory(channels, scale, **option)
        except ValueError as error:
            if not option:
                reason = first_line(error)
                raise ValueError(f"upsampler must fit {place.name}: {reason}") from error
            reason = f"no guide fits: {first_line(error)}"
            continue
        guide_channels = getattr(upsampler, "guide_channels", None)
        if guide_channels is None:
            return upsampler, None, ""
        for guide in place.guide_candidates:
            if guide.channels == guide_channels:
                return upsampler, guide, ""
        reason = f"no guide of {guide_channels} channels is available"
    return None, None, reason


def _starting_as(place: Place, factory: Callable) -> Callable:
    """The factory, which makes operators that begin as the interpolation of the place.

    Only if they can, and if the user has not said how they begin.
    """
    bound = getattr(factory, "keywords", {})
    start = parameters_of(_maker(factory)).parameters.get("start")
    if start is None or "start" in bound:
        return factory
    aligned = place.signature is not None and place.signature.align_corners
    for kind in (f"{place.kind}_aligned" if aligned else "", place.kind):
        if kind in get_args(start.annotation):
            return partial(factory, start=kind)
    return factory


def _guide_options(place: Place, factory: Callable) -> list[dict[str, int]]:
    """Return the values of `guide_channels` to try: each number of channels of a candidate."""
    parameter = parameters_of(factory).parameters.get("guide_channels")
    if parameter is None or "guide_channels" in getattr(factory, "keywords", {}):
        return [{}]
    candidates = dict.fromkeys(guide.channels for guide in place.guide_candidates)
    unguided: list[dict[str, int]] = [] if parameter.default is Parameter.empty else [{}]
    return [{"guide_channels": channels} for channels in candidates] or unguided
