"""Measures the peak memory of an upsampler in a dry run that computes no values.

The upsampler runs on tensors that have a shape but no memory (torch's meta device), and the bytes
of all tensors alive are counted. So operators defined by users are measured like built-in ones.
"""

import weakref
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

aten = torch.ops.aten


def peak_bytes(
    upsampler: nn.Module,
    features: Tensor,
    guide: Tensor | None,
    size: tuple[int, int],
    guide_features: Tensor | None = None,
) -> int:
    """Peak number of bytes that a call holds, its result included, its inputs not.

    Args:
        upsampler: in evaluation mode. It is not changed.
        features, guide, guide_features: only their shapes, strides and types matter.
        size: rows and columns of the result.
    """
    # Outside of inference mode, in which composite operations do not show their parts.
    with torch.inference_mode(False), torch.no_grad():
        state = chain(upsampler.named_parameters(), upsampler.named_buffers())
        meta_state = {name: tensor.to("meta") for name, tensor in state}
        inputs = [
            None if tensor is None else _meta_tensor(tensor)
            for tensor in (features, guide, guide_features)
        ]
        options = {} if inputs[2] is None else {"guide_features": inputs[2]}
        with PeakMemoryMode([*meta_state.values(), *inputs]) as mode:
            functional_call(upsampler, meta_state, (*inputs[:2], size), options)
    return mode.peak_bytes


def _meta_tensor(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


class PeakMemoryMode(TorchDispatchMode):
    """Counts the memory of tensors from the operation that returns them until they are freed.

    Args:
        excluded: tensors that exist already and do not count.

    Attributes:
        current_bytes: bytes alive now.
        peak_bytes: largest number of bytes that were alive at once.
    """

    def __init__(self, excluded: Sequence[Tensor | None] = ()):
        super().__init__()
        self.current_bytes = self.peak_bytes = 0
        self.known_storages: WeakIdKeyDictionary = WeakIdKeyDictionary()  # counted or excluded
        for tensor in excluded:
            if tensor is not None:
                self.known_storages[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._add_storage(tensor)
        scratch = 0
        if func is aten.convolution.default:  # oneDNN copies all three to a layout of its own
            scratch = args[0].nbytes + args[1].nbytes + result.nbytes
        self.peak_bytes = max(self.peak_bytes, self.current_bytes + scratch)
        return result

    def _add_storage(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self.known_storages:
            return
        self.known_storages[storage] = True
        self.current_bytes += storage.nbytes()
        weakref.finalize(storage, self._subtract, storage.nbytes())

    def _subtract(self, size: int) -> None:
        self.current_bytes -= size
