"""How a module runs once `swap` has changed it.

It becomes an instance of a subclass of its own class, as `torch.nn.utils.parametrize` does it.
Its forward runs inside a `Frame`, a mode of this thread alone, which redirects `F.interpolate`
to the upsampler that the module holds for that call. The state of a frame ends with the forward.
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

UPSAMPLERS_ATTRIBUTE = "unstride_up"  # the name under which a module holds its upsamplers


@dataclass(frozen=True)
class UpsamplerSlot:
    """Which of the upsamplers that a module holds, and what guides it."""

    index: int
    guide: Guide | None


@dataclass
class SwapState:
    """What a module does in a swapped model besides its own work.

    Args:
        path: of the module in the model.
        calls: the slot of each call of `F.interpolate`; None where the call is left alone.
        deconvolution: the slot of a transposed convolution.
        frozen: names of its parameters that needed gradients until they fell out of use.
        has_frame: whether its forward redirects calls, or has a guide at hand.
        is_guide: whether what it returns guides an upsampler in the forward that called it.
        places: of the whole model, if the module is the whole model.
    """

    path: str
    calls: dict[tuple[InterpolateSignature, int], UpsamplerSlot | None] = field(
        default_factory=dict
    )
    deconvolution: UpsamplerSlot | None = None
    frozen: tuple[str, ...] = ()
    has_frame: bool = False
    is_guide: bool = False
    places: PlaceList | None = None


class ForwardScope(TorchFunctionMode):
    """Inside, which is one forward of one module, its own interpolations are redirected.

    Those of the modules that it calls are not: each of these is a `SwappedModule` too, and
    raises `depth`
    while it runs.
    """

    def __init__(self, module: nn.Module, inputs: tuple):
        super().__init__()
        self.role: SwapState = vars(module)["_unstride"]
        self.held = getattr(module, UPSAMPLERS_ATTRIBUTE, None)
        self.inputs = inputs
        self.outputs: dict[str, Any] = {}
        self.counts: Counter[InterpolateSignature] = Counter()
        self.depth = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is interpolate and self.depth == 0 and self.held is not None:
            call = parse_interpolate(*args, **kwargs)
            slot = None if call is None else self.slot(*call)
            if call is not None and slot is not None:
                features, size, _ = call
                return upsample_with_guide(self.held[slot.index], features, slot.guide, size, self)
        return func(*args, **kwargs)

    def slot(
        self, features: Tensor, size: tuple[int, int], signature: InterpolateSignature
    ) -> UpsamplerSlot | None:
        """The slot of this call; None where it does not enlarge, or keeps what it has."""
        call = signature, self.counts[signature]
        self.counts[signature] += 1
        grid = features.shape[2], features.shape[3]
        if size[0] <= grid[0] and size[1] <= grid[1]:
            return None
        known = sum(of == signature for of, _ in self.role.calls)
        if call not in self.role.calls and known and rounded_scale(grid, size) > 1:
            raise ValueError(
                f"example must show every place: {self.role.path or 'self'} enlarges maps of "
                f"{signature.channels} channels in more places than the {known} it showed; "
                "unswap, and swap with such an example"
            )
        return self.role.calls.get(call)


class SwappedModule:
    """What the class of a module gains, while it is swapped."""

    _unstride: SwapState

    @property
    def unstride_places(self) -> PlaceList | None:
        """What became of each place, if this is the whole model."""
        return self._unstride.places

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        held = [
            key
            for key in state_dict
            if key.startswith(prefix) and f"{UPSAMPLERS_ATTRIBUTE}." in key
        ]
        if self._unstride.places is not None and not held:  # a checkpoint from before the swap
            assert isinstance(self, nn.Module)
            own = self.state_dict(prefix=prefix)
            state_dict.update({key: own[key] for key in own if f"{UPSAMPLERS_ATTRIBUTE}." in key})
        super()._load_from_state_dict(state_dict, prefix, *rest)  # type: ignore[misc]

    def __reduce_ex__(self, protocol):
        reduced = cast(tuple, super().__reduce_ex__(protocol))
        if reduced[1] != (type(self),):
            raise PicklingError(
                f"{type(self).__name__} has its own way to be pickled; unswap first"
            )
        return _unpickled, (original_class(self),), *reduced[2:]


def original_class(module: SwappedModule) -> Any:
    """The class that a module had."""
    return type(module).__bases__[1]


@functools.cache
def swapped_class(base: Any) -> type[nn.Module]:
    """A class of the same name whose forward plays a role besides."""

    @functools.wraps(base.forward)
    def forward(self, *args, **kwargs):
        role, outer = self._unstride, next(active_scopes(), None)
        if outer is None:
            return _run_forward(self, base, args, kwargs)
        outer.depth += 1
        try:
            out = _run_forward(self, base, args, kwargs)
        finally:
            outer.depth -= 1
        if role.is_guide and outer.depth == 0:
            outer.outputs[role.path] = out
        return out

    names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "forward": forward}
    return type(base.__name__, (SwappedModule, base), names)


def _unpickled(base: Any) -> nn.Module:
    cls = swapped_class(base)
    return cls.__new__(cls)


def _run_forward(module, base: type[nn.Module], args: tuple, kwargs: dict):
    role = module._unstride
    if role.deconvolution is not None:
        return _replaced_deconvolution(module, *args, **kwargs)
    if not role.has_frame:
        return base.forward(module, *args, **kwargs)
    with ForwardScope(module, (args, kwargs)):
        return base.forward(module, *args, **kwargs)


def _replaced_deconvolution(module, input: Tensor, output_size=None) -> Tensor:
    """What takes the place of a transposed convolution: an upsampler, and a 1 x 1 convolution."""
    up, *convolutions = module.unstride_up
    taps = zip(
        input.shape[2:],
        *(module.stride, module.padding, module.dilation, module.kernel_size),
        module.output_padding,
        strict=True,
    )
    h, w = ((n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, s, p, d, k, extra in taps)
    size = (h, w) if output_size is None else tuple(output_size[-2:])
    out = upsample_with_guide(up, input, module._unstride.deconvolution.guide, size)
    for convolution in convolutions:
        out = convolution(out)
    return out


def upsample_with_guide(
    up: nn.Module, features: Tensor, guide: Guide | None, size, own: ForwardScope | None = None
) -> Tensor:
    """The features at `size`, with the guide that the model has at hand."""
    if guide is None:
        return up(features, None, size).to(features.dtype)
    at_hand = [own] if own is not None else []
    for frame in [*at_hand, *active_scopes()]:
        if frame.role.path == guide.frame:
            if guide.child is None:
                return up(features, leaf_at(frame.inputs, guide.keys), size).to(features.dtype)
            if guide.child in frame.outputs:
                source = frame.outputs[guide.child]
                return up(features, leaf_at(source, guide.keys), size).to(features.dtype)
    raise ValueError(f"guide must be computed before the place that it guides, not so: {guide}")


def active_scopes() -> Iterator[ForwardScope]:
    """The frames of this thread, from the innermost outwards."""
    for i in reversed(range(torch._C._len_torch_function_stack())):
        mode = torch._C._get_function_stack_at(i)
        if isinstance(mode, ForwardScope):
            yield mode
