"""Registers the three operations with torch: kernels, fakes, gradients and vmap.

The reference is the default implementation. It runs where no kernel is registered for the device.
On the CPU half types are computed in float32.
"""

import torch
from torch import Tensor
from torch.library import custom_op, register_autograd, register_vmap

from unstride.ops.functional import correlate, reassemble, scatter
from unstride.ops.reference import correlate_reference, reassemble_reference, scatter_reference
from unstride.precision import upcast_half


def _memory_format(like: Tensor) -> torch.memory_format:
    if like.is_contiguous() or not like.is_contiguous(memory_format=torch.channels_last):
        return torch.contiguous_format
    return torch.channels_last


def _empty_output(like: Tensor, c, h, w) -> Tensor:
    shape = like.shape[0], c, h, w
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=_memory_format(like)
    )


@custom_op("unstride::reassemble", mutates_args=())
def _reassemble_op(features: Tensor, weights: Tensor) -> Tensor:
    return reassemble_reference(features, weights).contiguous(
        memory_format=_memory_format(features)
    )


@custom_op("unstride::correlate", mutates_args=())
def _correlate_op(queries: Tensor, keys: Tensor, kernel_size: int, groups: int) -> Tensor:
    return correlate_reference(queries, keys, kernel_size, groups).contiguous()


@custom_op("unstride::scatter", mutates_args=())
def _scatter_op(values: Tensor, weights: Tensor, height: int, width: int) -> Tensor:
    out = scatter_reference(values, weights, (height, width))
    return out.contiguous(memory_format=_memory_format(values))


def _reassemble_fake(features, weights):
    return _empty_output(features, features.shape[1], *weights.shape[4:])


def _correlate_fake(queries, keys, k, groups):
    b, _, H, W = queries.shape
    return queries.new_empty(b, groups, k, k, H, W)


def _scatter_fake(values, weights, height, width):
    return _empty_output(values, values.shape[1], height, width)


def _register_kernels(op, fake, name: str):
    """Register the Numba kernel for the CPU and the Triton kernel for CUDA.

    Kernels write into memory laid out like the fake. Numba and Triton are imported when a kernel
    is first used.
    """

    def on_cpu(a, b, *sizes):
        from unstride.ops import cpu_jobs

        out = fake(a, b, *sizes)
        upcast_out = upcast_half(out)
        getattr(cpu_jobs, f"{name}_cpu")(upcast_half(a), upcast_half(b), upcast_out)
        return out if upcast_out is out else out.copy_(upcast_out)

    def on_gpu(a, b, *sizes):
        from unstride.ops import gpu

        out = fake(a, b, *sizes)
        if out.numel():
            getattr(gpu, f"{name}_gpu")(a, b, out)
        return out

    op.register_kernel("cpu")(on_cpu)
    op.register_kernel("cuda")(on_gpu)
    op.register_fake(fake)


_register_kernels(_reassemble_op, _reassemble_fake, "reassemble")
_register_kernels(_correlate_op, _correlate_fake, "correlate")
_register_kernels(_scatter_op, _scatter_fake, "scatter")


def _setup_context(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs[:2])


def _reassemble_backward(ctx, grad):
    features, weights = ctx.saved_tensors
    g, k = weights.shape[1:3]
    return (
        scatter(grad, weights, features.shape[2:]) if ctx.needs_input_grad[0] else None,
        correlate(grad, features, k, g) if ctx.needs_input_grad[1] else None,
    )


def _correlate_backward(ctx, grad):
    queries, keys = ctx.saved_tensors
    return (
        reassemble(keys, grad) if ctx.needs_input_grad[0] else None,
        scatter(queries, grad, keys.shape[2:]) if ctx.needs_input_grad[1] else None,
        None,
        None,
    )


def _scatter_backward(ctx, grad):
    values, weights = ctx.saved_tensors
    g, k = weights.shape[1:3]
    return (
        reassemble(grad, weights) if ctx.needs_input_grad[0] else None,
        correlate(values, grad, k, g) if ctx.needs_input_grad[1] else None,
        None,
        None,
    )


register_autograd(_reassemble_op, _reassemble_backward, setup_context=_setup_context)
register_autograd(_correlate_op, _correlate_backward, setup_context=_setup_context)
register_autograd(_scatter_op, _scatter_backward, setup_context=_setup_context)


def _vmap_rule(op):
    """The vmap rule of an operation: the mapped dimension joins the batch."""

    def rule(info, in_dims, *arguments):
        tensors = [
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip(arguments[:2], in_dims[:2], strict=True)
        ]
        options = arguments[2:]
        out = op(*(t.flatten(0, 1) for t in tensors), *options)
        return out.unflatten(0, (info.batch_size, -1)), 0

    return rule


for _op in (_reassemble_op, _correlate_op, _scatter_op):
    register_vmap(_op, _vmap_rule(_op))
