"""Shapes that are awkward on purpose, and bounds for the rounding error."""

import pytest
import torch

from unstride.ops import correlate_reference, reassemble_reference, scatter_reference

# Input size, output size, k, groups. No size is a multiple of any kernel's tile.
SIZE_CASES = [
    pytest.param((5, 7), (10, 14), 3, 1, id="up 2"),
    pytest.param((3, 5), (12, 20), 5, 2, id="up 4, two groups"),
    pytest.param((9, 11), (9, 11), 7, 1, id="same size"),
    pytest.param((6, 5), (6, 5), 2, 3, id="same size, even window, three groups"),
    pytest.param((10, 14), (5, 7), 5, 3, id="down 2, three groups"),
    pytest.param((12, 20), (3, 5), 4, 1, id="down 4, even window"),
    pytest.param((5, 6), (13, 17), 4, 1, id="up by no whole number, even window"),
    pytest.param((17, 13), (5, 9), 6, 2, id="down by no whole number"),
    pytest.param((7, 9), (16, 5), 3, 2, id="rows up, columns down"),
    pytest.param((9, 8), (4, 3), 1, 1, id="window smaller than the step"),
    pytest.param((1, 2), (9, 7), 5, 1, id="window larger than the map"),
    pytest.param((3, 21), (3, 21), 17, 1, id="a row of taps in passes of no whole number"),
]
# Every second one, where each takes seconds; the others are left to `make test-long`.
THINNED_SIZE_CASES = [
    pytest.param(*case.values, id=case.id, marks=[pytest.mark.long] if i % 2 else [])
    for i, case in enumerate(SIZE_CASES)
]
CHANNELS = 6

REFERENCES = {
    "reassemble": lambda f, w, q, size, g: reassemble_reference(f, w),
    "correlate": lambda f, w, q, size, g: correlate_reference(q, f, w.shape[2], g),
    "scatter": lambda f, w, q, size, g: scatter_reference(q, w, size),
}


def random_inputs(input_size, output_size, k, g, dtype=torch.float32, batch=2):
    """Features, weights, and values on the output grid."""
    features = torch.randn(batch, CHANNELS, *input_size, dtype=dtype)
    weights = torch.randn(batch, g, k, k, *output_size, dtype=dtype)
    values = torch.randn(batch, CHANNELS, *output_size, dtype=dtype)
    return features, weights, values


def rounding_bound(name, inputs, size, g, eps):
    """A sum of n rounded products errs by at most n eps sum|product|, its result by eps more.

    The reference gives n when applied to ones, and sum|product| when applied to absolute values.
    """
    reference = REFERENCES[name]
    terms = reference(*(t.double() ** 0 for t in inputs), size, g)
    magnitude = reference(*(t.double().abs() for t in inputs), size, g)
    return (terms + 1) * eps * magnitude
