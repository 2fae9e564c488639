"""Every backend computes what the reference defines, up to rounding."""

import math

import pytest
import torch

from tests.ops.size_cases import (
    REFERENCES,
    SIZE_CASES,
    THINNED_SIZE_CASES,
    random_inputs,
    rounding_bound,
)
from unstride.ops import cpu_jobs

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def numba_backend(name, f, w, q, size, g):
    return getattr(torch.ops.unstride, name)(*arguments(name, f, w, q, size, g))


def triton_backend(name, f, w, q, size, g):
    pytest.importorskip("triton", reason="triton is not made for this system")
    from unstride.ops import gpu

    device = "cuda" if torch.cuda.is_available() else "cpu"
    f, w, q = (t.to(device) for t in (f, w, q))
    a, b = arguments(name, f, w, q, size, g)[:2]
    out = torch.empty_like(REFERENCES[name](f, w, q, size, g))
    getattr(gpu, f"{name}_gpu")(a, b, out)
    return out.cpu()


def arguments(name, f, w, q, size, g):
    return {
        "reassemble": (f, w),
        "correlate": (q, f, w.shape[2], g),
        "scatter": (q, w, *size),
    }[name]


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), SIZE_CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REFERENCES)
def test_the_general_kernel_agrees_with_the_reference(
    name, dtype, input_size, output_size, k, g, monkeypatch
):
    """That of small inputs, which serves all windows."""
    monkeypatch.setattr(cpu_jobs, "SMALL_WORK", math.inf)
    assert_close_to_reference(numba_backend, name, dtype, input_size, output_size, k, g)


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), THINNED_SIZE_CASES)
@pytest.mark.parametrize("dtype", [t for t in DTYPES if t != torch.float64], ids=str)
@pytest.mark.parametrize("name", REFERENCES)
def test_numba_agrees_with_the_reference(name, dtype, input_size, output_size, k, g):
    assert_close_to_reference(numba_backend, name, dtype, input_size, output_size, k, g)


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), SIZE_CASES[1::4])
@pytest.mark.parametrize("name", REFERENCES)
def test_numba_agrees_with_the_reference_in_float64(name, input_size, output_size, k, g):
    """For some windows: each is a kernel to compile."""
    dtype = torch.float64
    assert_close_to_reference(numba_backend, name, dtype, input_size, output_size, k, g)


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), THINNED_SIZE_CASES)
@pytest.mark.parametrize("name", REFERENCES)
def test_triton_agrees_with_the_reference(name, input_size, output_size, k, g):
    dtype = torch.float32 if (k + g) % 2 else torch.float16  # the interpreter is slow
    batch = 2 if k < 3 else 1
    assert_close_to_reference(triton_backend, name, dtype, input_size, output_size, k, g, batch)


def assert_close_to_reference(backend, name, dtype, input_size, output_size, k, g, batch=2):
    inputs = random_inputs(input_size, output_size, k, g, dtype, batch)
    exact = REFERENCES[name](*(t.double() for t in inputs), input_size, g)
    actual = backend(name, *inputs, input_size, g)
    assert actual.dtype == dtype
    bound = rounding_bound(name, inputs, input_size, g, torch.finfo(dtype).eps)
    assert ((actual.double() - exact).abs() <= bound).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("backend", [numba_backend, triton_backend, None])
def test_half_types_are_summed_in_float32(backend, name, dtype):
    """One rounding to half at the end, however many the terms: 49 ones and a small one."""
    inputs = random_inputs((9, 11), (9, 11), 7, 1, dtype)
    exact = REFERENCES[name](*(t.double() for t in inputs), (9, 11), 1)
    run = backend or (lambda name, *args: REFERENCES[name](*args))
    actual = run(name, *inputs, (9, 11), 1).double()
    in_float32 = rounding_bound(name, inputs, (9, 11), 1, torch.finfo(torch.float32).eps)
    assert ((actual - exact).abs() <= in_float32 + exact.abs() * torch.finfo(dtype).eps).all()


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("name", REFERENCES)
def test_layout_in_is_layout_out(name, layout):
    f, w, q = random_inputs((6, 8), (12, 16), 5, 2)
    f, q = (t.contiguous(memory_format=layout) for t in (f, q))
    actual = numba_backend(name, f, w, q, (6, 8), 2)
    if name != "correlate":
        assert actual.is_contiguous(memory_format=layout)
    expected = REFERENCES[name](f, w, q, (6, 8), 2)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", REFERENCES)
def test_inputs_need_not_be_contiguous(name):
    f, w, q = random_inputs((7, 9), (14, 18), 3, 2)
    strided = [
        torch.randn(*(2 * n for n in t.shape))[(slice(None, None, 2),) * t.ndim] for t in (f, w, q)
    ]
    for view, values in zip(strided, (f, w, q), strict=True):
        view.copy_(values)
    expected = REFERENCES[name](f, w, q, (7, 9), 2)
    actual = numba_backend(name, *strided, (7, 9), 2)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("shape", [(0, 6, 4, 4), (2, 0, 4, 4), (2, 6, 0, 4)], ids=str)
def test_empty_inputs_give_empty_or_zero_results(name, shape):
    b, c, h, w = shape
    f, q = torch.randn(shape), torch.randn(b, c, 8, 8)
    weights = torch.randn(b, 2, 3, 3, 8, 8)
    actual = numba_backend(name, f, weights, q, (h, w), 2)
    expected = {"reassemble": (b, c, 8, 8), "correlate": (b, 2, 3, 3, 8, 8), "scatter": shape}
    assert actual.shape == expected[name]
    if c == 0 or h == 0:
        assert actual.eq(0).all()


def test_more_channels_than_a_job_holds():
    channels = cpu_jobs.MAX_JOB_CHANNELS + 5
    f, w = torch.randn(1, channels, 6, 5), torch.randn(1, 1, 3, 3, 12, 10)
    q = torch.randn(1, channels, 12, 10)
    for name, reference in REFERENCES.items():
        actual = numba_backend(name, f, w, q, (6, 5), 1)
        bound = rounding_bound(name, (f, w, q), (6, 5), 1, torch.finfo(torch.float32).eps)
        exact = reference(f.double(), w.double(), q.double(), (6, 5), 1)
        assert ((actual.double() - exact).abs() <= bound).all()


def test_a_map_wider_than_a_job():
    f, w, q = random_inputs((3, 900), (6, 1800), 5, 1)
    f = torch.cat([f] * 30, 1)
    q = torch.cat([q] * 30, 1)
    for name, reference in REFERENCES.items():
        actual = numba_backend(name, f, w, q, (3, 900), 1)
        torch.testing.assert_close(actual, reference(f, w, q, (3, 900), 1), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("backend", [numba_backend, triton_backend])
def test_nan_passes_through_and_no_further(backend, name):
    f, w, q = random_inputs((6, 8), (12, 16), 3, 1)
    f[0, 0, 2, 3] = w[1, 0, 1, 1, 4, 5] = q[0, 2, 7, 7] = torch.nan
    expected = REFERENCES[name](f, w, q, (6, 8), 1).isnan()
    actual = backend(name, f, w, q, (6, 8), 1).isnan()
    assert expected.any()
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("name", REFERENCES)
def test_images_of_a_batch_do_not_meet(name):
    f, w, q = random_inputs((6, 8), (12, 16), 5, 2, batch=3)
    together = numba_backend(name, f, w, q, (6, 8), 2)
    alone = [
        numba_backend(name, f[i : i + 1], w[i : i + 1], q[i : i + 1], (6, 8), 2) for i in range(3)
    ]
    assert torch.equal(together, torch.cat(alone))
