"""The operations in standard operators compute the same as the references."""

import pytest
import torch

from tests.ops.size_cases import SIZE_CASES
from unstride.ops import correlate_reference, reassemble_reference
from unstride.ops.functional import decompositions

ops = torch.ops.unstride


@pytest.mark.parametrize(("input_size", "output_size", "k", "g"), SIZE_CASES)
def test_a_row_at_a_time_is_the_definition(input_size, output_size, k, g):
    features = torch.randn(2, 6, *input_size, dtype=torch.float64)
    queries = torch.randn(2, 6, *output_size, dtype=torch.float64)
    weights = torch.randn(2, g, k, k, *output_size, dtype=torch.float64)
    portable = decompositions()
    torch.testing.assert_close(
        portable[ops.reassemble.default](features, weights),
        reassemble_reference(features, weights),
    )
    torch.testing.assert_close(
        portable[ops.correlate.default](queries, features, k, g),
        correlate_reference(queries, features, k, g),
    )
