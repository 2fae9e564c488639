"""The ways out of Python that users take, each as a function from a module to its exported result.

Every one exports as in the exporter's own documentation, with nothing of ours but the module.
"""

import contextlib
import io
from inspect import signature

import torch
from torch import Tensor, nn

OWN = "unstride::"  # the namespace of our operators, unknown to whoever loads the file


def by_new_onnx_exporter(
    module: nn.Module, inputs: tuple[Tensor, ...], *, optimize: bool = True
) -> Tensor:
    program = torch.onnx.export(module, inputs, dynamo=True, verbose=False, optimize=optimize)
    assert program is not None
    return run_onnx(program.model_proto.SerializeToString(), module, inputs)


def by_old_onnx_exporter(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    file = io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the graph that it cannot write
        torch.onnx.export(
            module, inputs, file, dynamo=False, input_names=input_names(module, inputs)
        )
    return run_onnx(file.getvalue(), module, inputs)


def by_torchscript(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, inputs, check_trace=False), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    assert OWN not in str(loaded.inlined_graph)
    return loaded(*inputs)


def by_torch_export(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    program = torch.export.export(module, inputs)
    assert OWN.replace("::", ".") not in str(program.graph)
    return program.module()(*inputs)


def run_onnx(model: bytes, module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """The first output of an exported module, computed by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    named = dict(zip(input_names(module, inputs), inputs, strict=True))
    feeds = {i.name: named[i.name].numpy() for i in session.get_inputs()}  # unused ones are gone
    return torch.from_numpy(session.run(None, feeds)[0])


def input_names(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[str]:
    return list(signature(module.forward).parameters)[: len(inputs)]


EXPORTERS = {
    "torch.onnx": by_new_onnx_exporter,
    "torch.onnx dynamo=False": by_old_onnx_exporter,
    "TorchScript": by_torchscript,
    "torch.export": by_torch_export,
}
