"""The most memory that an upsampler holds at once, read off a dry run: nothing is computed.

The operator runs on tensors that have a shape and no memory (torch's meta device), and what is
alive is counted as it goes: an operator that somebody wrote yesterday is measured as well as ours.
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
    described: Tensor | None = None,
) -> int:
    """Bytes that a call holds at its worst moment, its result among them, its inputs not.

    Args:
        upsampler: in evaluation mode; it stays as it is.
        features, guide, described: only their shapes, strides and types matter.
        size: rows and columns of the result.
    """
    # Outside of inference mode, where composite operations would not show their parts.
    with torch.inference_mode(False), torch.no_grad():
        state = chain(upsampler.named_parameters(), upsampler.named_buffers())
        ghosts = {name: tensor.to("meta") for name, tensor in state}
        given = [
            None if tensor is None else _meta_tensor(tensor)
            for tensor in (features, guide, described)
        ]
        known = {} if given[2] is None else {"described": given[2]}
        with PeakMemoryMode([*ghosts.values(), *given]) as living:
            functional_call(upsampler, ghosts, (*given[:2], size), known)
    return living.most


def _meta_tensor(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


class PeakMemoryMode(TorchDispatchMode):
    """Adds up the memory of tensors from when an operation returns them to their end.

    Args:
        given: that were there before, and do not count.

    Attributes:
        most: bytes that were alive at once.
    """

    def __init__(self, given: Sequence[Tensor | None] = ()):
        super().__init__()
        self.now = self.most = 0
        self.known: WeakIdKeyDictionary = WeakIdKeyDictionary()
        for tensor in given:
            if tensor is not None:
                self.known[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        scratch = 0
        if func is aten.convolution.default:  # oneDNN turns all to a layout of its own
            scratch = args[0].nbytes + args[1].nbytes + result.nbytes
        self.most = max(self.most, self.now + scratch)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self.known:
            return
        self.known[storage] = True
        self.now += storage.nbytes()
        weakref.finalize(storage, self._release, storage.nbytes())

    def _release(self, size: int) -> None:
        self.now -= size
