"""The operations in standard operators compute the same as the references, gradients included."""

import pytest
import torch

from tests.ops.size_cases import REFERENCES, SIZE_CASES, random_inputs
from unstride.ops import portable
from unstride.ops.portable_taps import LARGEST_REPEAT, repeat_pixels

PORTABLE = {
    "reassemble": lambda f, w, q, size, g: portable.reassemble_portable(f, w),
    "correlate": lambda f, w, q, size, g: portable.correlate_portable(q, f, w.shape[2], g),
    "scatter": lambda f, w, q, size, g: portable.scatter_portable(q, w, size),
}
UNUSED = {"reassemble": 2, "correlate": 1, "scatter": 0}  # it is shaped like the result
SIZES = [*SIZE_CASES, pytest.param((12, 15), (4, 5), 5, 2, id="down 3, two groups")]


@pytest.mark.parametrize("by", ["slices", "rows"])
@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), SIZES)
@pytest.mark.parametrize("name", PORTABLE)
def test_values_and_gradients_are_the_references(
    name, input_size, output_size, k, g, by, monkeypatch
):
    monkeypatch.setattr(portable, "LARGEST_SLICED", k if by == "slices" else 0)
    inputs = random_inputs(input_size, output_size, k, g, torch.float64)
    results = []
    for function in (PORTABLE[name], REFERENCES[name]):
        leaves = [t.clone().requires_grad_() for t in inputs]
        value = function(*leaves, input_size, g)
        used = [t for i, t in enumerate(leaves) if i != UNUSED[name]]
        results.append((value, *torch.autograd.grad(value, used, inputs[UNUSED[name]])))
    for actual, exact in zip(*results, strict=True):
        torch.testing.assert_close(actual, exact)


def test_whole_ratios_are_cut_out_and_others_gathered():
    source = torch.randn(1, 2, 6, 8)
    taps = portable.sliced_taps
    assert len(taps(source, 12, 4, 3)) == 9
    assert taps(source, 9, 8, 3) is None
    assert taps(source, 6, 8 * (LARGEST_REPEAT + 1), 1) is None


def test_no_tensor_has_more_than_five_axes():
    """Weights have six; they are reshaped first."""

    class Axes(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            axes.append(out.ndim if isinstance(out, torch.Tensor) else 0)
            return out

    for size, k in (((10, 14), 3), ((13, 17), 4)):
        inputs = random_inputs((5, 7), size, k, 2)
        for name in ("reassemble", "scatter"):
            axes: list[int] = []
            with Axes():
                PORTABLE[name](*inputs, (5, 7), 2)
            assert 4 <= max(axes) <= 5


@pytest.mark.parametrize("ratio", range(1, LARGEST_REPEAT + 1))
def test_each_pixel_is_repeated(ratio):
    row = torch.arange(97.0)[None, None, None]
    out = repeat_pixels(row.expand(1, 1, 2, 97), 3, ratio)
    assert torch.equal(out, row.repeat_interleave(ratio, 3).expand(1, 1, 6, -1))
