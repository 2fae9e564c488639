"""Runs the modules of a swapped model.

A swapped module becomes an instance of a subclass of its own class, as in
`torch.nn.utils.parametrize`. Its forward runs inside a `ForwardScope`, a mode of this thread
alone, which redirects `F.interpolate` to the upsampler that the module holds for that call. The
state of a scope ends with the forward.
"""

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pickle import PicklingError
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

from unstride.swapping.origin_tracking import leaf_at
from unstride.swapping.places import (
    Guide,
    InterpolateSignature,
    PlaceList,
    parse_interpolate,
    rounded_scale,
)

UPSAMPLERS_ATTRIBUTE = "unstride_up"  # name under which a module holds its upsamplers


@dataclass(frozen=True)
class UpsamplerSlot:
    """An upsampler among those that a module holds, and its guide."""

    index: int
    guide: Guide | None


@dataclass
class SwapState:
    """What a module of a swapped model does besides its own work.

    Args:
        module_path: path of the module in the model.
        interpolate_slots: slot of each call of `F.interpolate`. None where the call is left alone.
        deconvolution_slot: slot of a transposed convolution.
        frozen_parameters: names of its parameters that needed gradients before they went unused.
        needs_scope: whether its forward redirects calls, or has a guide.
        provides_guide: whether its output guides an upsampler in the forward that called it.
        places: places of the whole model, if the module is the whole model.
    """

    module_path: str
    interpolate_slots: dict[tuple[InterpolateSignature, int], UpsamplerSlot | None] = field(
        default_factory=dict
    )
    deconvolution_slot: UpsamplerSlot | None = None
    frozen_parameters: tuple[str, ...] = ()
    needs_scope: bool = False
    provides_guide: bool = False
    places: PlaceList | None = None


class ForwardScope(TorchFunctionMode):
    """Redirects the interpolations of one module during one forward.

    The interpolations of the modules that it calls are not redirected: each of these is a
    `SwappedModule` too, and raises `child_depth` while it runs.
    """

    def __init__(self, module: nn.Module, inputs: tuple):
        super().__init__()
        self.state: SwapState = vars(module)["_unstride"]
        self.upsamplers = getattr(module, UPSAMPLERS_ATTRIBUTE, None)
        self.inputs = inputs
        self.child_outputs: dict[str, Any] = {}
        self.call_counts: Counter[InterpolateSignature] = Counter()
        self.child_depth = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is interpolate and self.child_depth == 0 and self.upsamplers is not None:
            call = parse_interpolate(*args, **kwargs)
            slot = None if call is None else self.slot_for(*call)
            if call is not None and slot is not None:
                features, size, _ = call
                upsampler = self.upsamplers[slot.index]
                return upsample_with_guide(upsampler, features, slot.guide, size, self)
        return func(*args, **kwargs)

    def slot_for(
        self, features: Tensor, size: tuple[int, int], signature: InterpolateSignature
    ) -> UpsamplerSlot | None:
        """Return the slot of this call, or None if it does not enlarge or is left alone."""
        call = signature, self.call_counts[signature]
        self.call_counts[signature] += 1
        input_size = features.shape[2], features.shape[3]
        if size[0] <= input_size[0] and size[1] <= input_size[1]:
            return None
        slots = self.state.interpolate_slots
        num_known = sum(known == signature for known, _ in slots)
        if call not in slots and num_known and rounded_scale(input_size, size) > 1:
            raise ValueError(
                f"example must run every place: {self.state.module_path or 'self'} enlarges maps "
                f"of {signature.channels} channels in more places than the {num_known} it ran; "
                "call unswap, then swap with an example that runs all of them"
            )
        return slots.get(call)


class SwappedModule:
    """Mixin of the class of a module while it is swapped."""

    _unstride: SwapState

    @property
    def unstride_places(self) -> PlaceList | None:
        """What became of each place, if this is the whole model."""
        return self._unstride.places

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        upsampler_keys = [
            key
            for key in state_dict
            if key.startswith(prefix) and f"{UPSAMPLERS_ATTRIBUTE}." in key
        ]
        is_whole_model = self._unstride.places is not None
        if is_whole_model and not upsampler_keys:  # a checkpoint from before the swap
            assert isinstance(self, nn.Module)
            own = self.state_dict(prefix=prefix)
            state_dict.update({key: own[key] for key in own if f"{UPSAMPLERS_ATTRIBUTE}." in key})
        super()._load_from_state_dict(state_dict, prefix, *rest)  # type: ignore[misc]

    def __reduce_ex__(self, protocol):
        reduced = cast(tuple, super().__reduce_ex__(protocol))
        if reduced[1] != (type(self),):
            raise PicklingError(
                f"{type(self).__name__} defines its own pickling, which a swap cannot keep; "
                "call unswap first"
            )
        return _unpickled, (original_class(self),), *reduced[2:]


def original_class(module: SwappedModule) -> Any:
    """Return the class that a swapped module had before."""
    return type(module).__bases__[1]


@functools.cache
def swapped_class(base: Any) -> type[nn.Module]:
    """Create a subclass of the same name, whose forward redirects calls and keeps guides."""

    @functools.wraps(base.forward)
    def forward(self, *args, **kwargs):
        state, outer = self._unstride, next(active_scopes(), None)
        if outer is None:
            return _run_forward(self, base, args, kwargs)
        outer.child_depth += 1
        try:
            out = _run_forward(self, base, args, kwargs)
        finally:
            outer.child_depth -= 1
        if state.provides_guide and outer.child_depth == 0:
            outer.child_outputs[state.module_path] = out
        return out

    names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "forward": forward}
    return type(base.__name__, (SwappedModule, base), names)


def _unpickled(base: Any) -> nn.Module:
    cls = swapped_class(base)
    return cls.__new__(cls)


def _run_forward(module, base: type[nn.Module], args: tuple, kwargs: dict):
    state = module._unstride
    if state.deconvolution_slot is not None:
        return _replaced_deconvolution(module, *args, **kwargs)
    if not state.needs_scope:
        return base.forward(module, *args, **kwargs)
    with ForwardScope(module, (args, kwargs)):
        return base.forward(module, *args, **kwargs)


def _replaced_deconvolution(module, input: Tensor, output_size=None) -> Tensor:
    """Run what replaces a transposed convolution: an upsampler, and perhaps a 1 x 1 convolution."""
    upsampler, *convolutions = module.unstride_up
    axes = zip(
        input.shape[2:],
        *(module.stride, module.padding, module.dilation, module.kernel_size),
        module.output_padding,
        strict=True,
    )
    h, w = ((n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, s, p, d, k, extra in axes)
    size = (h, w) if output_size is None else tuple(output_size[-2:])
    out = upsample_with_guide(upsampler, input, module._unstride.deconvolution_slot.guide, size)
    for convolution in convolutions:
        out = convolution(out)
    return out


def upsample_with_guide(
    upsampler: nn.Module,
    features: Tensor,
    guide: Guide | None,
    size,
    scope: ForwardScope | None = None,
) -> Tensor:
    """Upsample features to a size, with the guide that the model has available.

    Args:
        upsampler: the upsampler to call.
        features: what to upsample; the result has their dtype.
        guide: where the guide is found. None for an upsampler without a guide.
        size: output size, (height, width).
        scope: scope of the module that upsamples; it is searched first.
    """
    if guide is None:
        return upsampler(features, None, size).to(features.dtype)
    own_scope = [scope] if scope is not None else []
    for candidate in [*own_scope, *active_scopes()]:
        if candidate.state.module_path == guide.module_path:
            if guide.producer_path is None:
                tensor = leaf_at(candidate.inputs, guide.key_path)
                return upsampler(features, tensor, size).to(features.dtype)
            if guide.producer_path in candidate.child_outputs:
                tensor = leaf_at(candidate.child_outputs[guide.producer_path], guide.key_path)
                return upsampler(features, tensor, size).to(features.dtype)
    raise ValueError(f"guide must be computed before the place that it guides, got {guide}")


def active_scopes() -> Iterator[ForwardScope]:
    """Yield the scopes of this thread, from the innermost outwards."""
    for i in reversed(range(torch._C._len_torch_function_stack())):
        mode = torch._C._get_function_stack_at(i)
        if isinstance(mode, ForwardScope):
            yield mode
