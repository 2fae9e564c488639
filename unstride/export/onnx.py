"""Exports models to ONNX with standard operators only, so that every runtime can read them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.formats.atomic_write import atomic_path
from unstride.ops import decompositions


def export_onnx(
    module: nn.Module,
    example_inputs: tuple[Tensor, ...],
    path: str | Path,
    dynamic_shapes: Any = None,
) -> None:
    """Write a module to an ONNX file, whole or not at all. Needs the extra "onnx".

    Args:
        module: in the mode, training or evaluation, that is to be exported.
        example_inputs: positional arguments with which the module can be called.
        path: output file.
        dynamic_shapes: sizes that may differ from those of the example inputs, in the format of
            `torch.export.export`. Default: all sizes are fixed.
    """
    program = torch.export.export(module, example_inputs, dynamic_shapes=dynamic_shapes)
    onnx = torch.onnx.export(
        program.run_decompositions(decompositions()), dynamo=True, verbose=False
    )
    assert onnx is not None
    with atomic_path(Path(path)) as temporary:
        onnx.save(temporary)
