"""The operations work with torch: opcheck, compile, export, vmap, autocast, ONNX."""

import numpy as np
import pytest
import torch
from torch import nn

import unstride
from tests.ops.size_cases import REFERENCES, random_inputs
from unstride.ops import correlate, reassemble, scatter

OPS = torch.ops.unstride


class Block(nn.Module):
    """All three operations behind a convolution, as a network would have them."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Conv2d(6, 9 * 4, 3, padding=1)

    def forward(self, features):
        """Carafe-like up, scores of the result, and back down."""
        weights = nn.functional.pixel_shuffle(self.encode(features), 2).softmax(1)
        weights = weights.unflatten(1, (1, 3, 3))
        fine = reassemble(features, weights)
        scores = correlate(fine, features, 3, groups=2)
        return scatter(fine, scores, (features.shape[2], features.shape[3]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf"
)  # opcheck's
def test_opcheck(name, layout, dtype):
    f, w, q = (t.requires_grad_() for t in random_inputs((5, 7), (10, 14), 3, 2, dtype))
    f, q = (t.detach().contiguous(memory_format=layout).requires_grad_() for t in (f, q))
    arguments = {"reassemble": (f, w), "correlate": (q, f, 3, 2), "scatter": (q, w, 5, 7)}[name]
    torch.library.opcheck(getattr(OPS, name).default, arguments)


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiles_without_graph_breaks(dynamic):
    block, x = Block(), torch.randn(2, 6, 5, 7)
    compiled = torch.compile(block, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    torch.testing.assert_close(compiled(x), block(x))
    expected = torch.autograd.grad(block(x).square().sum(), list(block.parameters()))
    actual = torch.autograd.grad(compiled(x).square().sum(), list(block.parameters()))
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(compiled(x[:1, :, :4]), block(x[:1, :, :4]))


def exported(block, x):
    auto = torch.export.Dim.AUTO
    return torch.export.export(block, (x,), dynamic_shapes=({0: auto, 2: auto, 3: auto},))


def test_exports_with_dynamic_sizes():
    block = Block().eval()
    module = exported(block, torch.randn(2, 6, 5, 7)).module()
    for shape in [(2, 6, 5, 7), (3, 6, 8, 4), (4, 6, 11, 13)]:
        x = torch.randn(shape)
        torch.testing.assert_close(module(x), block(x))


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)
def test_onnxruntime_gives_the_same_numbers_at_any_size(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    block = Block().eval()
    path = tmp_path / "block.onnx"
    auto = torch.export.Dim.AUTO
    unstride.export_onnx(
        block, (torch.randn(2, 6, 5, 7),), path, dynamic_shapes=({0: auto, 2: auto, 3: auto},)
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in [(2, 6, 5, 7), (1, 6, 8, 4), (3, 6, 11, 13)]:
        x = torch.randn(shape)
        (actual,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(actual, block(x).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("in_dims", [(0, 0), (0, None), (None, 0), (1, 2)], ids=str)
def test_vmap_adds_a_batch(in_dims):
    f, w, _ = random_inputs((5, 7), (10, 14), 3, 2)
    batched = [
        t if dim is None else torch.stack([t, 2 * t, -t], dim)
        for t, dim in zip((f, w), in_dims, strict=True)
    ]
    actual = torch.vmap(reassemble, in_dims)(*batched)
    for i, out in enumerate(actual):
        one = [t if d is None else t.select(d, i) for t, d in zip(batched, in_dims, strict=True)]
        assert torch.equal(out, reassemble(*one))


def test_vmap_of_the_other_two():
    f, w, q = (torch.stack([t, -2 * t]) for t in random_inputs((5, 7), (10, 14), 3, 2))
    actual = torch.vmap(lambda q, f: correlate(q, f, 3, 2))(q, f)
    assert torch.equal(actual[1], correlate(q[1], f[1], 3, 2))
    actual = torch.vmap(lambda q, w: scatter(q, w, (5, 7)))(q, w)
    assert torch.equal(actual[1], scatter(q[1], w[1], (5, 7)))


def test_autocast_takes_its_type_and_gives_gradients_in_the_inputs():
    f, w, q = random_inputs((5, 7), (10, 14), 3, 2)
    f.requires_grad_(), w.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = reassemble(f, w)
        assert correlate(q, f, 3).dtype == scatter(q, w, (5, 7)).dtype == torch.bfloat16
    assert out.dtype == torch.bfloat16
    expected = reassemble(f.bfloat16(), w.bfloat16())
    assert torch.equal(out, expected)
    out.sum().backward()
    assert f.grad.dtype == w.grad.dtype == torch.float32
    assert f.grad.ne(0).any()
    assert w.grad.ne(0).any()


def test_autocast_leaves_double_alone():
    f, w, _ = random_inputs((5, 7), (10, 14), 3, 2, torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        assert reassemble(f, w).dtype == torch.float64
