"""Starts every test with the same seed and number of threads; uninitialised memory is NaN."""

import os
from functools import cache

import pytest
import torch

from unstride.ops.reference import correlate_reference, reassemble_reference, scatter_reference

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # set before triton is imported: runs on the CPU


THREADS = torch.get_num_threads()  # before any test file imports a package that sets it

# `make test` checks the shapes in the types of what these folders test, while they run. Compilers
# and exporters cannot see through the checker: their tests run in the other part, without it.
SHAPES_CHECKED = {
    "upsamplers", "analysis", "tiling", "saving", "datasets", "formats", "transforms", "viz",
}  # fmt: skip
TRACED = "compiles", "onnx"
SLOWEST = "onnx", "processes", "compil"  # go first, so that no worker is left with one at the end


def pytest_addoption(parser):
    parser.addoption(
        "--part", choices=["shapes", "rest", "long"],
        help="one of the two parts of make test, or what make test-long adds",
    )  # fmt: skip


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "long: takes minutes, and repeats at other sizes what a test of make test checks"
    )


def pytest_ignore_collect(collection_path, config):
    is_folder = collection_path.parent == config.rootpath / "tests" and collection_path.is_dir()
    is_other = is_folder and collection_path.name not in SHAPES_CHECKED
    return True if is_other and config.getoption("--part") == "shapes" else None


def pytest_collection_modifyitems(config, items):
    part = config.getoption("--part")
    if part is None:
        return

    def is_checked(item):
        folder = item.path.relative_to(config.rootpath / "tests").parts[0]
        return folder in SHAPES_CHECKED and not any(word in item.nodeid for word in TRACED)

    def part_of(item):
        if item.get_closest_marker("long"):
            return "long"
        return "shapes" if is_checked(item) else "rest"

    kept = [item for item in items if part_of(item) == part]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = sorted(kept, key=lambda item: not any(word in item.nodeid for word in SLOWEST))


@pytest.fixture(autouse=True)
def _same_start_for_every_test():
    torch.set_num_threads(THREADS)  # the rounding of sums depends on it
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    yield
    torch.use_deterministic_algorithms(False)


REFERENCES = {
    "reassemble": lambda features, weights, out: reassemble_reference(features, weights),
    "correlate": lambda queries, keys, out: correlate_reference(
        queries, keys, out.shape[2], out.shape[1]
    ),
    "scatter": lambda values, weights, out: scatter_reference(values, weights, out.shape[2:]),
}


@pytest.fixture(autouse=True)
def _few_kernels_are_compiled(request, monkeypatch):
    """Compiling them takes minutes. tests/ops compares all of them with the reference.

    Elsewhere the reference computes float64, and the general kernel all but large inputs.
    """
    if "ops" in request.path.parent.parts[-1:]:
        return
    from unstride.ops import cpu_jobs

    for name, reference in REFERENCES.items():
        kernel = getattr(cpu_jobs, f"{name}_cpu")

        def run(a, b, out, kernel=kernel, reference=reference):
            kernel(a, b, out) if out.dtype != torch.float64 else out.copy_(reference(a, b, out))

        monkeypatch.setattr(cpu_jobs, f"{name}_cpu", run)
    monkeypatch.setattr(cpu_jobs, "SMALL_WORK", 500_000_000)


@pytest.fixture(autouse=True)
def _onnx_graphs_are_made_fast(request, monkeypatch):
    """torch reads its table of translations anew for each export, which takes much of the time.

    So does simplifying the graph; tests/test_layer.py has simplified ones.
    """
    if "onnx" in request.node.nodeid or "export" in request.node.nodeid:
        pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        if not isinstance(ONNXRegistry.__dict__["from_torchlib"], staticmethod):
            ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))
        if request.path.parent.name == "upsamplers":
            monkeypatch.setattr("unstride.export.onnx_operators.simplify", lambda model: None)
