"""Where a tensor comes from: the model's input, its parameters, or some place on the way.

Marks travel from the tensors that an operation is given to those that it returns. They belong to
memory, not to tensors, so that views and operations in place need no care of their own.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

FROM_INPUT = "depends on the model's input"
FROM_INPUT_AND_WEIGHTS = "depends on the model's input and on parameters"
FROM_WEIGHTS = "depends on parameters alone"
NO_ORIGINS: frozenset[Hashable] = frozenset()


class OriginTracker(TorchDispatchMode):
    """Inside, each tensor carries the marks of those it was computed from.

    An operation with a weight (a parameter, or what comes from parameters alone) ends all marks,
    which are `weighed` then, and leaves `INPUT` and `FROM_INPUT_AND_WEIGHTS`.

    Args:
        model: whose parameters are marked `FROM_WEIGHTS`.
        example: whose tensors are marked `INPUT`.
    """

    def __init__(self, model: nn.Module, example: Any):
        super().__init__()
        self.weighed: set[Hashable] = set()
        self._marks: dict[int, tuple[StorageWeakRef, frozenset[Hashable]]] = {}
        for parameter in model.parameters():
            self.mark(parameter, FROM_WEIGHTS)
        for _, tensor in tensor_leaves(example):
            self.mark(tensor, FROM_INPUT)

    def mark(self, tensor: Tensor, *marks: Hashable) -> None:
        """Add marks to those that a tensor carries."""
        self._set(tensor, self.of(tensor).union(marks))

    def of(self, tensor: Tensor) -> frozenset[Hashable]:
        """The marks that a tensor carries."""
        known = self._marks.get(_storage_id(tensor))
        return known[1] if known else NO_ORIGINS

    def _set(self, tensor: Tensor, marks: frozenset[Hashable]) -> None:
        # The weak reference keeps the address from being given to other memory.
        if (memory := _storage_id(tensor)) >= 0:
            self._marks[memory] = StorageWeakRef(tensor.untyped_storage()), marks

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [self.of(tensor) for _, tensor in tensor_leaves((args, kwargs or {}))]
        marks = NO_ORIGINS.union(*given)
        if FROM_INPUT in marks and any(FROM_WEIGHTS in each for each in given):
            self.weighed |= marks
            marks = frozenset({FROM_INPUT, FROM_INPUT_AND_WEIGHTS})
        out = func(*args, **(kwargs or {}))
        for _, tensor in tensor_leaves(out):
            self._set(tensor, marks)
        return out


def tensor_leaves(nest: Any, keys: tuple = ()) -> Iterator[tuple[tuple, Tensor]]:
    """The tensors in nested lists, tuples, mappings and dataclasses, each with the way to it."""
    if isinstance(nest, Tensor):
        yield keys, nest
    elif isinstance(nest, Mapping):
        for key in nest:
            yield from tensor_leaves(nest[key], (*keys, key))
    elif isinstance(nest, (list, tuple)):
        for i, item in enumerate(nest):
            yield from tensor_leaves(item, (*keys, i))
    elif is_dataclass(nest) and not isinstance(nest, type):
        for name, item in vars(nest).items():
            yield from tensor_leaves(item, (*keys, name))


def leaf_at(nest: Any, keys: tuple) -> Any:
    """What lies where `leaves` said."""
    for key in keys:
        nest = nest[key] if isinstance(nest, (Mapping, list, tuple)) else getattr(nest, key)
    return nest


def _storage_id(tensor: Tensor) -> int:
    """The address of what describes a tensor's memory, or -1 where it has none of its own."""
    if tensor.layout is not torch.strided:
        return -1
    return tensor.untyped_storage()._cdata
