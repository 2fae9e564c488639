"""Gradients of every tap, to second order, against autograd through the plain reference.

The operations' gradients are written by hand, each with the other two; the reference's come
from autograd, so the two share nothing. A public CUDA kernel of this field gives 42 of 49 taps
no gradient, and gradients are never looked at: here each tap of each case is.
"""

import pytest
import torch

from tests.ops.size_cases import (
    REFERENCES,
    SIZE_CASES,
    THINNED_SIZE_CASES,
    random_inputs,
    rounding_bound,
)
from unstride.ops import correlate, reassemble, scatter

PUBLIC = {
    "reassemble": lambda f, w, q, size, g: reassemble(f, w),
    "correlate": lambda f, w, q, size, g: correlate(q, f, w.shape[2], g),
    "scatter": lambda f, w, q, size, g: scatter(q, w, size),
}
ARGUMENTS = {"reassemble": (0, 1), "correlate": (2, 0), "scatter": (2, 1)}
COTANGENT = {"reassemble": 2, "correlate": 1, "scatter": 0}  # shaped like the result
EPS = torch.finfo(torch.float64).eps


def derivatives(operation, name, inputs, size, g):
    """The value, its gradients, and the gradients of a function of those."""
    leaves = [t.detach().requires_grad_() for t in inputs]
    active = [leaves[i] for i in ARGUMENTS[name]]
    value = operation(*leaves, size, g)
    first = torch.autograd.grad(value, active, inputs[COTANGENT[name]], create_graph=True)
    curvature = sum((gradient * gradient.detach().cos()).sum() for gradient in first)
    return value, first, torch.autograd.grad(curvature, active)


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), THINNED_SIZE_CASES)
@pytest.mark.parametrize("name", PUBLIC)
def test_first_and_second_derivatives_are_autograds(name, input_size, output_size, k, g):
    inputs = random_inputs(input_size, output_size, k, g, torch.float64)
    _, first, second = derivatives(PUBLIC[name], name, inputs, input_size, g)
    _, first_exact, second_exact = derivatives(REFERENCES[name], name, inputs, input_size, g)
    terms = max(k * k, output_size[0] * output_size[1], 6)  # no sum here has more
    for actual, exact in zip(first + second, first_exact + second_exact, strict=True):
        scale = exact.abs().max().clamp(min=1) * terms
        assert ((actual - exact).abs() <= 8 * terms * EPS * scale).all()


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), SIZE_CASES)
def test_each_gradient_is_the_operation_that_the_algebra_names(input_size, output_size, k, g):
    inputs = random_inputs(input_size, output_size, k, g)
    _, (to_features, to_weights), _ = derivatives(
        PUBLIC["reassemble"], "reassemble", inputs, input_size, g
    )
    eps = torch.finfo(torch.float32).eps
    for actual, name in ((to_features, "scatter"), (to_weights, "correlate")):
        exact = REFERENCES[name](*(t.double() for t in inputs), input_size, g)
        assert (
            (actual.double() - exact).abs() <= rounding_bound(name, inputs, input_size, g, eps)
        ).all()


def test_every_one_of_49_taps_gets_the_gradient_of_its_own_feature():
    """Distinct features, one output pixel: tap (p, q) must receive the feature under it."""
    features = torch.arange(1.0, 82.0).view(1, 1, 9, 9)
    weights = torch.zeros(1, 1, 7, 7, 9, 9, requires_grad=True)
    reassemble(features, weights)[0, 0, 4, 4].backward()
    assert torch.equal(weights.grad[0, 0, :, :, 4, 4], features[0, 0, 1:8, 1:8])
    weights.grad[..., 4, 4] = 0
    assert weights.grad.eq(0).all()


def test_finite_differences_agree():
    f, w, _ = random_inputs((3, 4), (6, 8), 3, 2, torch.float64, batch=1)
    f.requires_grad_(), w.requires_grad_()
    assert torch.autograd.gradcheck(reassemble, (f, w))
    assert torch.autograd.gradgradcheck(reassemble, (f, w))


def test_no_gradient_is_computed_that_nobody_asked_for(monkeypatch):
    from unstride.ops import registration

    f, w, q = random_inputs((5, 7), (10, 14), 3, 1)
    monkeypatch.setattr(registration, "correlate", None)  # calling it would fail
    reassemble(f.requires_grad_(), w).backward(q)
    assert torch.equal(f.grad, scatter(q, w, (5, 7)))
