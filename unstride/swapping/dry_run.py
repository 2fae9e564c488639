"""Finds the places where a model of any library upsamples, in one dry run of its forward."""

from collections import Counter
from collections.abc import Iterator, Mapping
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
    """Find the places where a model upsamples; nothing in the model changes.

    Runs one forward in evaluation mode, and restores training flags, buffers and random numbers
    afterwards.

    Args:
        model: a model of any library. For a swapped model, the places say what became of them.
        example: what the model is called with: one argument, a tuple of arguments, or a dict of
            keyword arguments.

    Returns:
        The places; empty if the model upsamples nowhere.

    Raises:
        ValueError: if there is no example.
    """
    if (swapped_places := getattr(model, "unstride_places", None)) is not None:
        return swapped_places
    if example is None:
        raise ValueError("example must be an input of the model, got None")
    args, kwargs = call_arguments(example)
    with torch.no_grad(), _temporary_eval_mode(model):
        tracker = OriginTracker(model, (args, kwargs))
        recorder = _PlaceRecorder(tracker)
        with recorder.wrapped_forwards(model), tracker, recorder:
            model(*args, **kwargs)
    places = (
        _skip_if_last(place, reaches_weights=key in tracker.reaching_weights)
        for key, place in recorder.places.items()
    )
    return PlaceList(_with_indices(list(places)))


def call_arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of the call that an example describes.

    A mapping, such as a tokenizer or image processor returns, holds keyword arguments.
    """
    if isinstance(example, Mapping):
        return (), dict(example)
    return example if isinstance(example, tuple) else (example,), {}


def _skip_if_last(place: Place, *, reaches_weights: bool) -> Place:
    if reaches_weights or place.skip_reason:
        return place
    return replace(place, skip_reason="no parameter comes after it, as after logits")


def _with_indices(places: list[Place]) -> Iterator[Place]:
    totals, counts = Counter(place.module_path for place in places), Counter[str]()
    for place in places:
        path = place.module_path
        yield replace(place, index_in_module=counts[path]) if totals[path] > 1 else place
        counts[path] += 1


@dataclass
class _ModuleCall:
    """One run of one module's forward."""

    module_path: str
    inputs: tuple
    child_outputs: dict[str, Any] = field(default_factory=dict)  # of modules called in it, by path
    call_counts: Counter[InterpolateSignature] = field(default_factory=Counter)


class _PlaceRecorder(TorchFunctionMode):
    """Records the places, and knows in which module's forward each of them is."""

    def __init__(self, tracker: OriginTracker):
        super().__init__()
        self.tracker = tracker
        self.call_stack: list[_ModuleCall] = []
        self.places: dict[tuple, Place] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func is interpolate and (call := parse_interpolate(*args, **(kwargs or {}))):
            features, _, signature = call
            module_call = self.call_stack[-1]
            self.record(features, out, signature, module_call.call_counts[signature])
            module_call.call_counts[signature] += 1
        return out

    def record(
        self, features: Tensor, out: Tensor, signature: InterpolateSignature | None, call_index: int
    ) -> None:
        """Record one upsampling; a second run of a module can only take guides away."""
        input_size, output_size = tuple(features.shape[2:]), (out.shape[2], out.shape[3])
        if output_size[0] <= input_size[0] and output_size[1] <= input_size[1]:
            return
        path = self.call_stack[-1].module_path
        key = path, signature, call_index
        guides = tuple(self.guide_candidates(features, output_size))
        if key in self.places:
            guides = tuple(g for g in self.places[key].guide_candidates if g in guides)
            self.places[key] = replace(self.places[key], guide_candidates=guides)
        else:
            self.places[key] = Place(
                path,
                signature,
                call_index,
                input_meta=torch.empty_like(features[:0]),
                out_channels=out.shape[1],
                output_size=output_size,
                guide_candidates=guides,
                skip_reason=self.skip_reason(features, output_size),
            )
        self.tracker.add_origins(out, key)

    def skip_reason(self, features: Tensor, output_size: tuple[int, int]) -> str:
        """Return the first reason to leave the place alone, or an empty string."""
        origins, input_size = self.tracker.origins_of(features), tuple(features.shape[2:])
        reasons = {
            "it does not depend on the model's input": FROM_INPUT not in origins,
            "it resizes the model's input": FROM_INPUT_AND_WEIGHTS not in origins,
            "its values are not floating-point numbers": not features.is_floating_point(),
            "it has one channel": features.shape[1] == 1,
            "its input has only one pixel": input_size == (1, 1),
            "it enlarges by less than 1.5": rounded_scale(input_size, output_size) < 2,
        }
        return next((reason for reason, applies in reasons.items() if applies), "")

    def guide_candidates(self, features: Tensor, size: tuple[int, int]) -> Iterator[Guide]:
        """Yield possible guides, from the innermost forward outwards.

        Within a forward, its arguments come first, then the outputs of its children, the latest
        first.
        """
        for call in reversed(self.call_stack):
            leaves: list[tuple[str | None, tuple]]
            leaves = [(None, leaf) for leaf in tensor_leaves(call.inputs)]
            for path, out in reversed(call.child_outputs.items()):
                leaves += [(path, leaf) for leaf in tensor_leaves(out)]
            for producer_path, (key_path, tensor) in leaves:
                fits = tensor.ndim == 4 and tuple(tensor.shape[2:]) == size
                if fits and len(tensor) == len(features) and tensor.is_floating_point():
                    yield Guide(call.module_path, producer_path, key_path, tensor.shape[1])

    @contextmanager
    def wrapped_forwards(self, model: nn.Module) -> Iterator[None]:
        """Wrap each module's forward while the context lasts, so that its runs are recorded."""
        modules = {
            path: module
            for path, module in model.named_modules()
            if not isinstance(module, torch.jit.ScriptModule)
        }
        originals = {path: vars(module).get("forward") for path, module in modules.items()}
        try:
            for path, module in modules.items():
                module.__dict__["forward"] = self.wrap_forward(path, module)
            yield
        finally:
            for path, module in modules.items():
                module.__dict__.pop("forward", None)
                if originals[path] is not None:
                    module.__dict__["forward"] = originals[path]

    def wrap_forward(self, path: str, module: nn.Module):
        """Return a forward that also records when it runs and what it returns."""
        forward = module.forward

        def wrapped(*args, **kwargs):
            self.call_stack.append(_ModuleCall(path, (args, kwargs)))
            try:
                out = forward(*args, **kwargs)
                if isinstance(module, nn.ConvTranspose2d) and max(module.stride) >= 2:
                    self.record(args[0] if args else kwargs["input"], out, None, 0)
            finally:
                self.call_stack.pop()
            if self.call_stack:
                caller = self.call_stack[-1]
                caller.child_outputs.pop(path, None)  # so that the latest output is the last
                caller.child_outputs[path] = out
            return out

        return wrapped


@contextmanager
def _temporary_eval_mode(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, then restore its flags, buffers and random numbers."""
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
            for buffer, original in buffers:
                if not torch.equal(buffer, original):
                    buffer.copy_(original)
