"""Every upsampler leaves Python by every exporter, and what arrives computes the same."""

import pytest
import torch
from torch import nn

from benchmarks.exporters import EXPORTERS
from unstride import create_upsampler, list_upsamplers

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning",
    "ignore::torch.jit.TracerWarning",
)  # fmt: skip

CHANNELS, SCALE = 8, 2
LARGE_GRAPHS = ["featup_jbu", "naf", "anyup"]
SMALL_GRAPHS = [name for name in list_upsamplers() if name not in LARGE_GRAPHS]


class Together(nn.Module):
    """Several upsamplers of the same features, as one map."""

    def __init__(self, names):
        super().__init__()
        self.ups = nn.ModuleList(create_upsampler(name, CHANNELS, SCALE) for name in names)
        for up in self.ups:
            up.rounds = min(getattr(up, "rounds", 1), 1)  # of featup_jbu: rounds are all alike
            for p in up.parameters():
                if p.ndim > 1 and not hasattr(up, "rounds"):
                    nn.init.normal_(p, std=p[0].numel() ** -0.5)

    def forward(self, features, image, fine):
        guides = {None: None, 3: image, CHANNELS: fine}
        return torch.cat([up(features, guides[up.guide_channels]) for up in self.ups])


def example(h=5, w=7):
    """Features, an image and fine features, all on grids of one aspect ratio."""
    fine = SCALE * h, SCALE * w
    return torch.randn(1, CHANNELS, h, w), torch.rand(1, 3, *fine), torch.rand(1, CHANNELS, *fine)


QUICK = "TorchScript"  # with large graphs
CASES = [
    pytest.param(
        exporter, names, id=f"{names[0]}-{exporter}",
        marks=[pytest.mark.long] if names is LARGE_GRAPHS and exporter != QUICK else [],
    )
    for names in (SMALL_GRAPHS, LARGE_GRAPHS)
    for exporter in EXPORTERS
]  # fmt: skip


@pytest.mark.parametrize(("exporter", "names"), CASES)
@torch.no_grad()
def test_what_arrives_computes_the_same(exporter, names):
    if "onnx" in exporter:
        pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    model, inputs = Together(names).eval(), example()
    options = {"optimize": False} if exporter == "torch.onnx" else {}  # that would take minutes
    assert_agree(names, EXPORTERS[exporter](model, inputs, **options), model(*inputs))


@torch.no_grad()
def test_torchscript_is_right_at_any_size():
    names = "nearest", "carafe", "index", "sapa", "fade", "guided_filter"
    model = Together(names).eval()
    traced = torch.jit.trace(model, example(), check_trace=False)
    for size in ((4, 9), (8, 3)):
        inputs = example(*size)
        assert_agree(names, traced(*inputs), model(*inputs))


FREE = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}


@pytest.mark.parametrize(
    "names",
    [
        ["nearest", "carafe", "index"],
        pytest.param(["a2u", "sapa", "joint_bilateral", "anyup"], marks=pytest.mark.long),
    ],
    ids=" ".join,
)
@torch.no_grad()
def test_torch_export_is_right_at_any_size(names):
    model = Together(names).eval()
    program = torch.export.export(model, example(17, 11), dynamic_shapes=(FREE, FREE, FREE))
    for size in ((9, 14), (10, 21)):
        inputs = example(*size)
        assert_agree(names, program.module()(*inputs), model(*inputs))


def assert_agree(names, actual, expected):
    for name, a, e in zip(names, actual, expected, strict=True):
        torch.testing.assert_close(
            a, e, rtol=1e-5, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}"
        )
