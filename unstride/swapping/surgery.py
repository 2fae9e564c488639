"""Swaps the upsampling of any model: `swap` puts upsamplers in, `unswap` takes them out again.

Modules keep their parameters, names and code. `swapped_module.py` says how they run.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from inspect import Parameter
from inspect import signature as parameters_of
from typing import Any, get_args

import torch
from torch import nn

from unstride.formats.errors import first_line
from unstride.swapping.dry_run import find_places
from unstride.swapping.places import Guide, Place, PlaceList
from unstride.swapping.swapped_module import (
    UPSAMPLERS_ATTRIBUTE,
    SwappedModule,
    SwapState,
    UpsamplerSlot,
    original_class,
    swapped_class,
)
from unstride.upsamplers import Upsampler
from unstride.upsamplers.by_name import UPSAMPLERS, create_upsampler
from unstride.upsamplers.convolution import Deconvolution, PixelShuffle
from unstride.upsamplers.image_check import accept_any_range

NamePatterns = str | Iterable[str] | None
UpsamplersByPlace = dict[str, nn.ModuleList]  # by name: an upsampler, perhaps a convolution


def swap(
    model: nn.Module,
    upsampler: str | Callable[..., Upsampler],
    *,
    example: Any,
    only: NamePatterns = None,
    skip: NamePatterns = None,
    copy_kernels: bool = False,
    **options,
) -> nn.Module:
    """Put an upsampler at each place where a model upsamples; the model is changed in place.

    Do it before the model goes to an optimizer, `DistributedDataParallel` or `torch.compile`.

    Args:
        model: a model of any library. Its old checkpoints still load: new parameters keep their
            values if a checkpoint has none of them.
        upsampler: a name from `list_upsamplers()`, or a callable `make(channels, scale)` that
            returns an `Upsampler`. `guide_channels=` is passed too if it has that parameter.
        example: what the model is called with: one argument, a tuple of arguments, or a dict of
            keyword arguments.
        only: names of places, or patterns like "decoder.*". Default: all. A place that would be
            left alone is swapped if it is given by its exact name.
        skip: names or patterns of places that are not swapped. Default: none.
        copy_kernels: begin as the transposed convolutions that are replaced. Only `deconv` and
            `pixel_shuffle` can hold their kernels.
        options: options of the upsampler. Without `start` among them, a fresh operator begins as
            the interpolation of its place if it can.

    Returns:
        The same model. `print(find_places(model))` shows what became of each place.

    Raises:
        ValueError: if nothing can be swapped, a name matches no place, an upsampler cannot be
            built, or it cannot hold a kernel. The model is unchanged then.
    """
    if any(isinstance(module, SwappedModule) for module in model.modules()):
        raise ValueError("model must not be swapped already, call unswap(model) first")
    found = find_places(model, example=example)
    selected = _matching_names(found, only, "only")
    if skip:
        selected -= _matching_names(found, skip, "skip")
    exact_names = {only} if isinstance(only, str) else set(only or ())
    if isinstance(upsampler, str):
        factory = partial(create_upsampler, upsampler, **options)
    else:
        factory = partial(upsampler, **options)
    kernels = _transposed_convolutions(model, found) if copy_kernels else {}
    places, upsamplers = _build_upsamplers(found, factory, selected, exact_names, kernels)
    if not upsamplers:
        reasons = "".join(f"; {place.name}: {place.skip_reason}" for place in places)
        raise ValueError(f"model must have a place that can be swapped, found none{reasons}")
    _install_upsamplers(model, places, upsamplers)
    return model


def unswap(model: nn.Module) -> nn.Module:
    """Undo `swap` and return the model, which is then as it was before, bit for bit."""
    swapped = [module for module in model.modules() if isinstance(module, SwappedModule)]
    if getattr(model, "unstride_places", None) is None:
        raise ValueError("model must be the whole model that was passed to swap")
    for module in swapped:
        module._modules.pop(UPSAMPLERS_ATTRIBUTE, None)
        for name in module._unstride.frozen_parameters:
            module.get_parameter(name).requires_grad_()
        del module.__dict__["_unstride"]
        module.__class__ = original_class(module)
    return model


def _matching_names(places: PlaceList, patterns: NamePatterns, argument: str) -> set[str]:
    """Return the names of the places that match the patterns; all if there are no patterns."""
    if patterns is None:
        return {place.name for place in places}
    matching = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        names = {place.name for place in places if fnmatchcase(place.name, pattern)}
        if not names:
            all_names = ", ".join(place.name for place in places)
            raise ValueError(
                f"{argument} must match one of the places {all_names}, got {pattern!r}"
            )
        matching |= names
    return matching


def _build_upsamplers(
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


def _transposed_convolutions(model: nn.Module, places: PlaceList) -> dict[str, nn.ConvTranspose2d]:
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


def _install_upsamplers(model: nn.Module, places: PlaceList, upsamplers: UpsamplersByPlace) -> None:
    """Put the upsamplers into the modules, and make each module that takes part a swapped one."""
    modules = dict(model.named_modules())
    states = _swap_states(modules, places, upsamplers)
    for path in states:
        if "forward" in vars(modules[path]):
            raise ValueError(f"model must not have a replaced forward, {path or 'self'} has one")
    held: dict[str, nn.ModuleList] = {}
    for place in places:
        if place.name in upsamplers:
            held.setdefault(place.module_path, nn.ModuleList()).extend(upsamplers[place.name])
    for path, state in states.items():
        module = modules[path]
        for name in state.frozen_parameters:
            module.get_parameter(name).requires_grad_(False)
        if path in held:
            module.add_module(UPSAMPLERS_ATTRIBUTE, held[path].train(module.training))
        module.__dict__["_unstride"] = state
        base: Any = type(module)
        module.__class__ = swapped_class(base)


def _swap_states(
    modules: Mapping[str, nn.Module], places: PlaceList, upsamplers: UpsamplersByPlace
) -> dict[str, SwapState]:
    """Return the state of each module that takes part in a swap, by path; changes nothing."""
    states = {"": SwapState("", places=places)}
    num_held: Counter[str] = Counter()  # upsamplers and convolutions of a module so far

    def state_of(path: str) -> SwapState:
        return states.setdefault(path, SwapState(path))

    for place in places:
        path, slot = place.module_path, None
        if place.name in upsamplers:
            slot = UpsamplerSlot(num_held[path], place.guide)
            num_held[path] += len(upsamplers[place.name])
            state_of(path).needs_scope |= place.signature is not None
        if place.signature is not None:
            state_of(path).interpolate_slots[place.signature, place.call_index] = slot
        elif slot is not None:
            parameters = modules[path].named_parameters()
            state_of(path).deconvolution_slot = slot
            state_of(path).frozen_parameters = tuple(n for n, p in parameters if p.requires_grad)
        if slot is not None and slot.guide is not None:
            state_of(slot.guide.module_path).needs_scope = True
            if slot.guide.producer_path is not None:
                state_of(slot.guide.producer_path).provides_guide = True
    paths = {module: path for path, module in modules.items()}
    for path in [path for path, state in states.items() if state.needs_scope]:
        for module in _own_code_children(modules[path]):
            state_of(paths[module])
    return states


def _own_code_children(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that a forward may call and that may interpolate: not torch's layers."""
    for child in module.children():
        if isinstance(child, torch.jit.ScriptModule):
            continue
        of_torch = type(child).forward.__module__.startswith("torch.nn.")
        if of_torch and not isinstance(child, nn.Upsample):
            yield from _own_code_children(child)
        else:
            yield child
