"""Swaps the upsampling of any model: `swap` puts upsamplers in, `unswap` takes them out again.

Modules keep their parameters, names and code. `swapped_module.py` says how they run.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import nn

from unstride.swapping.dry_run import find_places
from unstride.swapping.place_upsamplers import (
    UpsamplersByPlace,
    build_upsamplers,
    transposed_convolutions,
)
from unstride.swapping.places import PlaceList
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
    kernels = transposed_convolutions(model, found) if copy_kernels else {}
    places, upsamplers = build_upsamplers(found, factory, selected, exact_names, kernels)
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
