"""Where a model upsamples, seen in one dry forward, whatever library the model is from."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

from unstride.swapping.origin_tracking import (
    FROM_INPUT,
    FROM_INPUT_AND_WEIGHTS,
    OriginTracker,
    tensor_leaves,
)
from unstride.swapping.places import (
    Guide,
    InterpolateSignature,
    Place,
    PlaceList,
    parse_interpolate,
    rounded_scale,
)


def find_places(model: nn.Module, *, example: Any = None) -> PlaceList:
    """Where a model upsamples; nothing in it is changed.

    One forward in evaluation mode, after which training flags, buffers and random numbers are
    what they were.

    Args:
        model: of any library. If it has been swapped, the answer is what became of its places.
        example: what the model is called with: one argument, or a tuple of them.

    Returns:
        Empty if it upsamples nowhere.
    """
    if (known := getattr(model, "unstride_places", None)) is not None:
        return known
    if example is None:
        raise ValueError("example must be what the model is called with, got None")
    arguments = example if isinstance(example, tuple) else (example,)
    with torch.no_grad(), _temporary_eval_mode(model):
        descent = OriginTracker(model, arguments)
        observer = _PlaceRecorder(descent)
        with observer.watching(model), descent, observer:
            model(*arguments)
    places = (
        _skip_if_last(place, key in descent.weighed) for key, place in observer.places.items()
    )
    return PlaceList(_with_numbers(list(places)))


def _skip_if_last(place: Place, is_weighed: bool) -> Place:
    if is_weighed or place.left_alone:
        return place
    return replace(place, left_alone="no parameter comes after it, as after logits")


def _with_numbers(places: list[Place]) -> Iterator[Place]:
    total, seen = Counter(place.path for place in places), Counter[str]()
    for place in places:
        yield replace(place, number=seen[place.path]) if total[place.path] > 1 else place
        seen[place.path] += 1


@dataclass
class _ModuleCall:
    """One run of one module's forward."""

    path: str
    inputs: tuple
    outputs: dict[str, Any] = field(default_factory=dict)  # of modules called in it, by path
    calls: Counter[InterpolateSignature] = field(default_factory=Counter)


class _PlaceRecorder(TorchFunctionMode):
    """Notes the places, while it knows in which module's forward it is."""

    def __init__(self, descent: OriginTracker):
        super().__init__()
        self.descent = descent
        self.visits: list[_ModuleCall] = []
        self.places: dict[tuple, Place] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func is interpolate and (call := parse_interpolate(*args, **(kwargs or {}))):
            features, _, signature = call
            visit = self.visits[-1]
            self.note(features, out, signature, visit.calls[signature])
            visit.calls[signature] += 1
        return out

    def note(
        self, features: Tensor, out: Tensor, signature: InterpolateSignature | None, call: int
    ) -> None:
        """One upsampling; a module's second run can only take guides away."""
        grid, size = tuple(features.shape[2:]), (out.shape[2], out.shape[3])
        if size[0] <= grid[0] and size[1] <= grid[1]:
            return
        path = self.visits[-1].path
        key = path, signature, call
        guides = tuple(self.guides(features, size))
        if key in self.places:
            guides = tuple(guide for guide in self.places[key].guides if guide in guides)
            self.places[key] = replace(self.places[key], guides=guides)
        else:
            why = self.why_leave_alone(features, size)
            empty = torch.empty_like(features[:0])
            self.places[key] = Place(
                path, signature, call, empty, out.shape[1], size, guides=guides, left_alone=why
            )
        self.descent.mark(out, key)

    def why_leave_alone(self, features: Tensor, size: tuple[int, int]) -> str:
        """The first reason there is, or none."""
        marks, grid = self.descent.of(features), tuple(features.shape[2:])
        reasons = {
            "it does not depend on the model's input": FROM_INPUT not in marks,
            "it resizes the model's input": FROM_INPUT_AND_WEIGHTS not in marks,
            "its values are no floating point numbers": not features.is_floating_point(),
            "it has one channel": features.shape[1] == 1,
            "one pixel has no details": grid == (1, 1),
            "it enlarges by less than 1.5": rounded_scale(grid, size) < 2,
        }
        return next((why for why, holds in reasons.items() if holds), "")

    def guides(self, features: Tensor, size: tuple[int, int]) -> Iterator[Guide]:
        """From the innermost forward outwards: its arguments, then what was computed last in it."""
        for visit in reversed(self.visits):
            found: list[tuple[str | None, tuple]]
            found = [(None, leaf) for leaf in tensor_leaves(visit.inputs)]
            for path, out in reversed(visit.outputs.items()):
                found += [(path, leaf) for leaf in tensor_leaves(out)]
            for child, (keys, tensor) in found:
                fits = tensor.ndim == 4 and tuple(tensor.shape[2:]) == size
                if fits and len(tensor) == len(features) and tensor.is_floating_point():
                    yield Guide(visit.path, child, keys, tensor.shape[1])

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Inside, each module's forward is a visit."""
        modules = {
            path: module
            for path, module in model.named_modules()
            if not isinstance(module, torch.jit.ScriptModule)
        }
        before = {path: vars(module).get("forward") for path, module in modules.items()}
        try:
            for path, module in modules.items():
                module.__dict__["forward"] = self.visited(path, module)
            yield
        finally:
            for path, module in modules.items():
                module.__dict__.pop("forward", None)
                if before[path] is not None:
                    module.__dict__["forward"] = before[path]

    def visited(self, path: str, module: nn.Module):
        """A module's forward that says when it begins and what it returns."""
        forward = module.forward

        def visit(*args, **kwargs):
            self.visits.append(_ModuleCall(path, (args, kwargs)))
            try:
                out = forward(*args, **kwargs)
                if isinstance(module, nn.ConvTranspose2d) and max(module.stride) >= 2:
                    self.note(args[0] if args else kwargs["input"], out, None, 0)
            finally:
                self.visits.pop()
            if self.visits:
                self.visits[-1].outputs.pop(path, None)  # so that the latest is the last
                self.visits[-1].outputs[path] = out
            return out

        return visit


@contextmanager
def _temporary_eval_mode(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in evaluation mode; afterwards all is as before, random numbers too."""
    training = {module: module.training for module in model.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)):
        try:
            for module in training:
                module.training = False
            yield
        finally:
            for module, flag in training.items():
                module.training = flag
            for buffer, before in buffers:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)
