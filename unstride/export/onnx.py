"""Exports models to ONNX with standard operators only, so that every runtime can read them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.formats.atomic_write import atomic_path
from unstride.ops import decompositions


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
            `torch.export.export`. Default: all sizes are fixed.

    Raises:
        ValueError: if the example is neither a tuple nor a dict.
    """
    if not isinstance(example_inputs, tuple | Mapping):
        raise ValueError(
            "example_inputs must be a tuple or a dict of arguments, "
            f"got a {type(example_inputs).__name__}"
        )
    args, kwargs = (
        ((), dict(example_inputs)) if isinstance(example_inputs, Mapping) else (example_inputs, {})
    )
    program = torch.export.export(module, args, kwargs, dynamic_shapes=dynamic_shapes)
    onnx = torch.onnx.export(
        program.run_decompositions(decompositions()), dynamo=True, verbose=False
    )
    assert onnx is not None
    with atomic_path(Path(path)) as temporary:
        onnx.save(temporary)
