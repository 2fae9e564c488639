"""Exporters get standard operators, unless the operations are to be kept; compilers keep them."""

import pytest
import torch
from torch import nn

from tests.ops.size_cases import random_inputs
from unstride.ops import correlate, keep_operations, reassemble, scatter
from unstride.ops.exporting import whole_ratio

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)  # of jit.trace
NAMES = "reassemble", "correlate", "scatter"


class AllThree(nn.Module):
    def forward(self, features, weights):
        fine = reassemble(features, weights)
        scores = correlate(fine, features, 3)
        return scatter(fine, scores, (features.shape[2], features.shape[3]))


@pytest.fixture
def inputs():
    features, weights, _ = random_inputs((5, 7), (10, 14), 3, 1)
    return features, weights


def exported_text(inputs):
    return str(torch.export.export(AllThree(), inputs).graph)


def traced_text(inputs):
    return str(torch.jit.trace(AllThree(), inputs, check_trace=False).inlined_graph)


@pytest.mark.parametrize("graph_text", [exported_text, traced_text])
def test_graphs_have_our_operators_only_on_request(graph_text, inputs):
    assert "unstride" not in graph_text(inputs).replace("/unstride/", "")
    with keep_operations():
        kept = graph_text(inputs)
    for name in NAMES:
        assert any(f"unstride{dots}{name}" in kept for dots in (".", "::"))
    assert "unstride" not in exported_text(inputs)


def test_a_strict_export_has_standard_operators_too(inputs):
    inputs = tuple(t.double() for t in inputs)
    program = torch.export.export(AllThree(), inputs, strict=True)
    assert "unstride" not in str(program.graph)
    torch.testing.assert_close(program.module()(*inputs), AllThree()(*inputs))


def test_a_compiler_keeps_the_operations(inputs):
    targets = []

    def backend(graph, example):
        targets.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    torch._dynamo.reset()
    torch.compile(AllThree(), fullgraph=True, backend=backend)(*inputs)
    for name in NAMES:
        assert any(f"unstride.{name}" in target for target in targets)


@pytest.mark.parametrize(
    ("dividend", "divisor", "ratio"),
    [(6, 3, 2), (6, 6, 1), (6, 4, None), (3, 6, None), (0, 3, None), (3, 0, None)],
)
def test_only_whole_numbers_above_0_are_whole_ratios(dividend, divisor, ratio):
    assert whole_ratio(dividend, divisor) == ratio
