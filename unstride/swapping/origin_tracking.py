"""Tracks where each tensor comes from: the model's input, its parameters, or a place in between.

Origins travel from the inputs of an operation to its outputs. They belong to memory, not to
tensors, so views and in-place operations need no special treatment.
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
    """While active, gives each tensor the origins of the tensors that it was computed from.

    An operation with a weight (a parameter, or a tensor that comes from parameters alone) ends all
    origins of its inputs: they join `reaching_weights`, and the result has `FROM_INPUT` and
    `FROM_INPUT_AND_WEIGHTS` instead.

    Args:
        model: its parameters get the origin `FROM_WEIGHTS`.
        example: its tensors get the origin `FROM_INPUT`.
    """

    def __init__(self, model: nn.Module, example: Any):
        super().__init__()
        self.reaching_weights: set[Hashable] = set()
        self._origins: dict[int, tuple[StorageWeakRef, frozenset[Hashable]]] = {}
        for parameter in model.parameters():
            self.add_origins(parameter, FROM_WEIGHTS)
        for _, tensor in tensor_leaves(example):
            self.add_origins(tensor, FROM_INPUT)

    def add_origins(self, tensor: Tensor, *origins: Hashable) -> None:
        """Add origins to those that a tensor has."""
        self._set_origins(tensor, self.origins_of(tensor).union(origins))

    def origins_of(self, tensor: Tensor) -> frozenset[Hashable]:
        """Return the origins of a tensor."""
        entry = self._origins.get(_storage_id(tensor))
        return entry[1] if entry else NO_ORIGINS

    def _set_origins(self, tensor: Tensor, origins: frozenset[Hashable]) -> None:
        # The weak reference keeps the address from being reused for other memory.
        if (storage_id := _storage_id(tensor)) >= 0:
            self._origins[storage_id] = StorageWeakRef(tensor.untyped_storage()), origins

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        input_origins = [self.origins_of(t) for _, t in tensor_leaves((args, kwargs or {}))]
        origins = NO_ORIGINS.union(*input_origins)
        if FROM_INPUT in origins and any(FROM_WEIGHTS in of_input for of_input in input_origins):
            self.reaching_weights |= origins
            origins = frozenset({FROM_INPUT, FROM_INPUT_AND_WEIGHTS})
        out = func(*args, **(kwargs or {}))
        for _, tensor in tensor_leaves(out):
            self._set_origins(tensor, origins)
        return out


def tensor_leaves(tree: Any, key_path: tuple = ()) -> Iterator[tuple[tuple, Tensor]]:
    """Yield the tensors in nested lists, tuples, mappings and dataclasses, with their key paths."""
    if isinstance(tree, Tensor):
        yield key_path, tree
    elif isinstance(tree, Mapping):
        for key in tree:
            yield from tensor_leaves(tree[key], (*key_path, key))
    elif isinstance(tree, (list, tuple)):
        for i, item in enumerate(tree):
            yield from tensor_leaves(item, (*key_path, i))
    elif is_dataclass(tree) and not isinstance(tree, type):
        for name, item in vars(tree).items():
            yield from tensor_leaves(item, (*key_path, name))


def leaf_at(tree: Any, key_path: tuple) -> Any:
    """Return the leaf at a key path from `tensor_leaves`."""
    for key in key_path:
        tree = tree[key] if isinstance(tree, (Mapping, list, tuple)) else getattr(tree, key)
    return tree


def _storage_id(tensor: Tensor) -> int:
    """Return the address of the tensor's storage object, or -1 if it has no storage of its own."""
    if tensor.layout is not torch.strided:
        return -1
    return tensor.untyped_storage()._cdata
