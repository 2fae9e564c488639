"""Exports models to ONNX with standard operators only, so that every runtime can read them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils._pytree import tree_leaves

from unstride.formats.atomic_write import atomic_path
from unstride.ops import decompositions, keep_operations

LARGEST = 2**31  # no side of a map is longer


def export_onnx(
    module: nn.Module,
    example_inputs: tuple[Tensor, ...] | Mapping[str, Tensor],
    path: str | Path,
    dynamic_shapes: Any = None,
) -> None:
    """Write a module to an ONNX file, whole or not at all. Needs the extra "onnx".

    Args:
        module: in the mode, training or evaluation, that is to be exported.
        example_inputs: arguments with which the module can be called: a tuple of positional or a
            dict of keyword arguments, whose names become those of the inputs.
        path: output file.
        dynamic_shapes: sizes that may differ from those of the example inputs, in the format of
            `torch.export.export`. Default: all sizes are fixed. Sizes that depend on each other, as
            an upsampler's guide does on its features, keep the ratio that they have in the example.

    Raises:
        ValueError: if the example is neither a tuple nor a dict; if a size that is to be dynamic
            is fixed by the module, or has an upper limit at this example. A larger example may
            help. Lower limits are not checked: maps far smaller than the example may be wrong.
    """
    from unstride.export.onnx_operators import simplify, translations  # the extra "onnx"

    if not isinstance(example_inputs, tuple | Mapping):
        raise ValueError(
            "example_inputs must be a tuple or a dict of arguments, "
            f"got a {type(example_inputs).__name__}"
        )
    args, kwargs = (
        ((), dict(example_inputs)) if isinstance(example_inputs, Mapping) else (example_inputs, {})
    )
    with keep_operations():  # as one node each they are exported fast, at any size
        program = torch.export.export(module, args, kwargs, dynamic_shapes=dynamic_shapes)
    if dynamic_shapes is not None:
        _check_sizes(program, dynamic_shapes)
    scatter = torch.ops.unstride.scatter.default
    if any(node.target is scatter for node in program.graph.nodes):  # the others are translated
        program = program.run_decompositions({scatter: decompositions()[scatter]})
    onnx = torch.onnx.export(
        program, dynamo=True, verbose=False, optimize=False,
        custom_translation_table=translations(any_size=dynamic_shapes is not None),
    )  # fmt: skip
    assert onnx is not None
    simplify(onnx.model)
    with atomic_path(Path(path)) as temporary:
        onnx.save(temporary)


def _check_sizes(program: ExportedProgram, dynamic_shapes: Any) -> None:
    """Check that the graph is right for all sizes that were asked for; a runtime would not tell."""
    wanted = [
        leaf
        for leaf in tree_leaves(dynamic_shapes)
        if leaf is not None and not isinstance(leaf, int) and leaf is not Dim.STATIC
    ]
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    inputs = {
        name: tuple(values[name].shape)
        for name in program.graph_signature.user_inputs
        if isinstance(values.get(name), Tensor)
    }
    free = sum(not isinstance(size, int) for shape in inputs.values() for size in shape)
    if free < len(wanted):
        raise ValueError(
            f"dynamic_shapes must be sizes that the module leaves free, got {len(wanted)}, of "
            f"which it fixes {len(wanted) - free} for this example: inputs are {inputs}"
        )
    limits = [leaf.max for leaf in wanted if isinstance(leaf, Dim)]
    for symbol, bounds in program.range_constraints.items():
        if bounds.upper < LARGEST and bounds.upper not in limits:
            raise ValueError(
                f"dynamic_shapes must not be limited by the example; with this one the graph is "
                f"right up to {symbol} = {bounds.upper} alone: inputs are {inputs}"
            )
