"""`reassemble`, `correlate` and `scatter`: one name each, on every device, differentiable.

The three are closed under differentiation: each one's gradients are the other two, so any
order of derivative exists. The device chooses the implementation; where there is no kernel
for it or for the type, the reference answers.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.library import custom_op, register_autograd, register_vmap

from unstride.ops.checks import check_correlate, check_reassemble, check_scatter
from unstride.ops.portable import correlate_portable, reassemble_portable
from unstride.ops.reference import (
    correlate_reference,
    reassemble_reference,
    scatter_reference,
)
from unstride.precision import upcast_half


def reassemble(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "b g k k H W"]
) -> Float[Tensor, "b c H W"]:
    """Sum the features in each output pixel's window, weighted; linear in both arguments.

    out[b, c, y, x] = sum_pq weights[b, g(c), p, q, y, x] features[b, c, row(y)+p, col(x)+q],
    with g(c) = c // (c/g) and the windows of `unstride.ops.window`. The two shapes say
    everything: kernel size, groups, ratio and direction.

    Args:
        features: what is summed; zero beyond its border.
        weights: of each tap (row, column) for each output pixel; any value, no constraint.

    Returns:
        The sums, in the memory layout of `features`.

    Raises:
        ValueError: if the two do not fit together.
    """
    features, weights = _cast_for_autocast(features, weights)
    check_reassemble(features, weights)
    return torch.ops.unstride.reassemble(features, weights)


def correlate(
    queries: Float[Tensor, "b c H W"],
    keys: Float[Tensor, "b c h w"],
    kernel_size: int,
    groups: int = 1,
) -> Float[Tensor, "b g k k H W"]:
    """Dot product of each output pixel's query with each key in its window.

    scores[b, g, p, q, y, x] = sum over the channels of group g of
    queries[b, c, y, x] keys[b, c, row(y)+p, col(x)+q]: the gradient of `reassemble` in its
    weights.

    Args:
        queries: on the output grid.
        keys: on the input grid; zero beyond its border, and so are the scores there.
        kernel_size: side k of the window, in keys.
        groups: g sets of scores, each from c/g neighbouring channels.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    queries, keys = _cast_for_autocast(queries, keys)
    check_correlate(queries, keys, kernel_size, groups)
    return torch.ops.unstride.correlate(queries, keys, kernel_size, groups)


def scatter(
    values: Float[Tensor, "b c H W"],
    weights: Float[Tensor, "b g k k H W"],
    size: tuple[int, int],
) -> Float[Tensor, "b c h w"]:
    """Add each output pixel's value, weighted, to every input pixel of its window.

    The adjoint of `reassemble`, its gradient in its features:
    <scatter(v, w, size), f> = <v, reassemble(f, w)>. Deterministic.

    Args:
        values: on the output grid.
        weights: as for `reassemble`.
        size: rows and columns (h, w) of the input grid.

    Returns:
        The sums, in the memory layout of `values`.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    values, weights = _cast_for_autocast(values, weights)
    check_scatter(values, weights, size)
    return torch.ops.unstride.scatter(values, weights, *size)


def decompositions() -> dict:
    """Each operation in terms of plain torch, for exporters that know no others.

    For `torch.export.ExportedProgram.run_decompositions`.
    """
    ops = torch.ops.unstride
    return {
        ops.reassemble.default: reassemble_portable,
        ops.correlate.default: correlate_portable,
        ops.scatter.default: lambda v, w, height, width: scatter_reference(v, w, (height, width)),
    }


def _cast_for_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    device = tensors[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(t if t.dtype == torch.float64 else t.to(dtype) for t in tensors)


# --- the operators that torch sees -----------------------------------------------------------


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


# --- devices: the kernels write into memory laid out like the fake -----------------------------


def _register_kernels(op, fake, name: str):
    """Register the Numba kernel for the CPU and the Triton kernel for CUDA."""

    def on_cpu(a, b, *sizes):
        from unstride.ops import (
            cpu_jobs as jobs,  # numba and triton are loaded with their first use
        )

        out = fake(a, b, *sizes)
        wide = upcast_half(out)
        getattr(jobs, f"{name}_cpu")(upcast_half(a), upcast_half(b), wide)
        return out if wide is out else out.copy_(wide)

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


# --- gradients: each operation's are the other two ---------------------------------------------


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


# --- vmap: one more batch --------------------------------------------------------------------


def _vmap_rule(op):
    def batched(info, in_dims, *arguments):
        tensors = [
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip(arguments[:2], in_dims[:2], strict=True)
        ]
        options = arguments[2:]
        out = op(*(t.flatten(0, 1) for t in tensors), *options)
        return out.unflatten(0, (info.batch_size, -1)), 0

    return batched


for _op in (_reassemble_op, _correlate_op, _scatter_op):
    register_vmap(_op, _vmap_rule(_op))
