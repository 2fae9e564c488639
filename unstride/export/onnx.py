"""ONNX, with the operations written out in standard operators: every runtime can read it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.formats.atomic_write import atomic_path
from unstride.ops import decompositions


def export_onnx(
    module: nn.Module, example: tuple[Tensor, ...], path: str | Path, dynamic_shapes: Any = None
) -> None:
    """Write a module as ONNX; it appears whole or not at all. Needs the extra "onnx".

    Args:
        module: in the mode, training or evaluation, that is to be exported.
        example: what the module is called with.
        path: of the file.
        dynamic_shapes: which sizes may differ from the example's, as `torch.export` takes it.
    """
    program = torch.export.export(module, example, dynamic_shapes=dynamic_shapes)
    onnx = torch.onnx.export(
        program.run_decompositions(decompositions()), dynamo=True, verbose=False
    )
    assert onnx is not None
    with atomic_path(Path(path)) as beside:
        onnx.save(beside)
