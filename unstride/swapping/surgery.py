"""Another upsampler in any model: `swap` puts one at each place, `unswap` takes them out again.

Modules keep their parameters, their names and their code; `frames.py` says how they run.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from inspect import Parameter
from inspect import signature as parameters_of
from typing import Any

import torch
from torch import nn

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
from unstride.upsamplers.by_name import create_upsampler

NamePatterns = str | Iterable[str] | None


def swap(
    model: nn.Module,
    upsampler: str | Callable[..., Upsampler],
    *,
    example: Any,
    only: NamePatterns = None,
    skip: NamePatterns = None,
    **options,
) -> nn.Module:
    """Put one upsampler at each place where a model upsamples; the model itself is changed.

    Do it before the model goes to an optimizer, `DistributedDataParallel` or `torch.compile`.

    Args:
        model: of any library. Its old checkpoints keep loading: the new parameters keep their
            values where a checkpoint has none of them.
        upsampler: one of `list_upsamplers()`, or what is called as `make(channels, scale)` and
            returns an `Upsampler`; with `guide_channels=` too if it has that parameter.
        example: what the model is called with: one argument, or a tuple of them.
        only: names of places, or patterns like "decoder.*"; by default all. A place that is
            left alone otherwise is swapped if its very name is given.
        skip: likewise, of places that keep what they have.
        options: of the upsampler.

    Returns:
        The same model. `print(find_places(model))` tells what became of each place.

    Raises:
        ValueError: if nothing can be swapped, a name meets no place, or an upsampler cannot be
            built. The model is then as it was.
    """
    if any(isinstance(module, SwappedModule) for module in model.modules()):
        raise ValueError("model must not be swapped already, call unswap(model) first")
    found = find_places(model, example=example)
    named = {only} if isinstance(only, str) else set(only or ())
    wanted = _matching_names(found, only, "only") - (
        _matching_names(found, skip, "skip") if skip else set()
    )
    if isinstance(upsampler, str):
        make = partial(create_upsampler, upsampler, **options)
    else:
        make = partial(upsampler, **options)
    built: dict[str, nn.ModuleList] = {}
    places = PlaceList()
    for place in found:
        if place.name not in wanted:
            place = replace(place, left_alone=place.left_alone or "not asked for")
        elif not place.left_alone or place.name in named:
            place = _with_upsampler(place, make, built)
            if place.left_alone and place.name in named:
                raise ValueError(
                    f"only must name what can be swapped, {place.name} cannot: {place.left_alone}"
                )
        places.append(place)
    if not built:
        reasons = "".join(f"; {place.name}: {place.left_alone}" for place in places)
        raise ValueError(f"model must have a place to swap, it has none{reasons}")
    _install_upsamplers(model, places, built)
    return model


def unswap(model: nn.Module) -> nn.Module:
    """Take out what `swap` put in; the model, which is returned, is as it was, bit for bit."""
    swapped = [module for module in model.modules() if isinstance(module, SwappedModule)]
    if getattr(model, "unstride_places", None) is None:
        raise ValueError("model must be one that was swapped, as a whole")
    for module in swapped:
        module._modules.pop(UPSAMPLERS_ATTRIBUTE, None)
        for name in module._unstride.frozen:
            module.get_parameter(name).requires_grad_()
        del module.__dict__["_unstride"]
        module.__class__ = original_class(module)
    return model


def _matching_names(places: PlaceList, names: NamePatterns, argument: str) -> set[str]:
    """The names of the places that are meant."""
    if names is None:
        return {place.name for place in places}
    met = set()
    for pattern in [names] if isinstance(names, str) else names:
        meant = {place.name for place in places if fnmatchcase(place.name, pattern)}
        if not meant:
            known = ", ".join(place.name for place in places)
            raise ValueError(f"{argument} must name places out of {known}; got {pattern!r}")
        met |= meant
    return met


def _with_upsampler(place: Place, make: Callable, built: dict[str, nn.ModuleList]) -> Place:
    """The place with its upsampler, which joins those built; or with what is missing."""
    up, guide, why = _create_upsampler(place, make)
    if up is None:
        return replace(place, left_alone=why)
    parts, what = [up], type(up).__name__
    if place.features.shape[1] != place.channels:
        parts.append(nn.Conv2d(place.features.shape[1], place.channels, 1))
        what += " and a 1 x 1 convolution"
    built[place.name] = nn.ModuleList(parts).to(place.features.device, place.features.dtype)
    return replace(place, left_alone="", upsampler=what, guide=guide)


def _create_upsampler(place: Place, make: Callable) -> tuple[nn.Module | None, Guide | None, str]:
    """An upsampler and its guide, the nearest that it takes; or what is missing."""
    channels, scale = place.features.shape[1], max(place.scale, 1)
    why = f"no guide of {place.size[0]} x {place.size[1]} is at hand"
    for option in _guide_options(place, make):
        try:
            up = make(channels, scale, **option)
        except ValueError as error:
            if not option:
                raise ValueError(f"upsampler must fit {place.name}: {error}") from error
            why = f"no guide fits: {error}"
            continue
        needed = getattr(up, "guide_channels", None)
        if needed is None:
            return up, None, ""
        for guide in place.guides:
            if guide.channels == needed:
                return up, guide, ""
        why = f"no guide of {needed} channels is at hand"
    return None, None, why


def _guide_options(place: Place, make: Callable) -> list[dict[str, int]]:
    """What to tell an upsampler about its guide: each number of channels that is at hand."""
    parameter = parameters_of(make).parameters.get("guide_channels")
    if parameter is None or "guide_channels" in getattr(make, "keywords", {}):
        return [{}]
    at_hand = dict.fromkeys(guide.channels for guide in place.guides)
    unguided: list[dict[str, int]] = [] if parameter.default is Parameter.empty else [{}]
    return [{"guide_channels": channels} for channels in at_hand] or unguided


def _install_upsamplers(
    model: nn.Module, places: PlaceList, built: dict[str, nn.ModuleList]
) -> None:
    """Give the upsamplers to the modules, and each module its role."""
    paths = {module: path for path, module in model.named_modules()}
    modules = {path: module for module, path in paths.items()}
    roles = {"": SwapState("", places=places)}

    def role(path: str) -> SwapState:
        return roles.setdefault(path, SwapState(path))

    held: dict[str, nn.ModuleList] = {}
    for place in places:
        slot = None
        if place.name in built:
            mine = held.setdefault(place.path, nn.ModuleList())
            slot = UpsamplerSlot(len(mine), place.guide)
            mine.extend(built[place.name])
            role(place.path).has_frame |= place.signature is not None
        if place.signature is not None:
            role(place.path).calls[place.signature, place.call] = slot
        elif slot is not None:
            role(place.path).deconvolution = slot
            weights = modules[place.path].named_parameters()
            role(place.path).frozen = tuple(name for name, p in weights if p.requires_grad)
        if slot is not None and slot.guide is not None:
            role(slot.guide.frame).has_frame = True
            if slot.guide.child is not None:
                role(slot.guide.child).is_guide = True
    for path in [path for path in roles if roles[path].has_frame]:
        for module in _own_code_children(modules[path]):
            role(paths[module])
    for path in roles:
        if "forward" in vars(modules[path]):
            raise ValueError(f"model must have no forward set by hand, {path or 'self'} has one")
    for path, each in roles.items():
        module = modules[path]
        for name in each.frozen:
            module.get_parameter(name).requires_grad_(False)
        if path in held:
            module.add_module(UPSAMPLERS_ATTRIBUTE, held[path].train(module.training))
        module.__dict__["_unstride"] = each
        base: Any = type(module)
        module.__class__ = swapped_class(base)


def _own_code_children(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that its forward may call and that may interpolate: not torch's own layers."""
    for child in module.children():
        if isinstance(child, torch.jit.ScriptModule):
            continue
        of_torch = type(child).forward.__module__.startswith("torch.nn.")
        if of_torch and not isinstance(child, nn.Upsample):
            yield from _own_code_children(child)
        else:
            yield child
