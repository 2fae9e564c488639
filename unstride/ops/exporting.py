"""Decides when the operations are written in standard operators: while a model is exported.

Exporters and the runtimes that they write for do not know `unstride::reassemble`. So while
`torch.export`, `torch.onnx.export` or `torch.jit.trace` records a model, the operations are written
as plain torch. `torch.compile` knows the operations and keeps them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_kept = ContextVar("operations_kept", default=False)


@contextmanager
def keep_operations() -> Iterator[None]:
    """Keep the operations in exported graphs, for programs that load them with `import unstride`.

    Use it for AOTInductor: the kernels are faster and the graph is smaller.

        with unstride.keep_operations():
            program = torch.export.export(model, (image,))
    """
    token = _kept.set(True)
    try:
        yield
    finally:
        _kept.reset(token)


def standard_operators_only() -> bool:
    """Whether a model is being exported for a program that knows standard operators only."""
    is_recorded = torch.jit.is_tracing() or torch.compiler.is_exporting()
    return is_recorded and not _kept.get()


def whole_ratio(dividend: int, divisor: int) -> int | None:
    """The ratio of two sizes, if it is a whole number above 0 at all sizes of the graph; else None.

    Sizes may be symbols of `torch.export`, or numbers that a tracer records. No guard is added.
    """
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    if torch.jit.is_tracing():
        dividend, divisor = int(dividend), int(divisor)
    if statically_known_true(dividend == 0) or statically_known_true(divisor == 0):
        return None
    is_whole = statically_known_true(dividend % divisor == 0)
    return int(dividend // divisor) if is_whole else None
