"""A module goes to a file of ONNX with the arguments that it is called with."""

import pytest
import torch
from torch import nn

from unstride import create_upsampler, export_onnx

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)


class KeywordOnly(nn.Module):
    """Takes its arguments by name alone."""

    def __init__(self):
        super().__init__()
        self.up = create_upsampler("bilinear", 4)

    def forward(self, *, features, gain):
        return gain * self.up(features)


def test_a_dict_holds_keyword_arguments(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    example = {"features": torch.randn(1, 4, 3, 5), "gain": torch.tensor([3.0])}
    export_onnx(KeywordOnly(), example, tmp_path / "up.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "up.onnx", providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == {"features", "gain"}
    (actual,) = session.run(None, {name: t.numpy() for name, t in example.items()})
    torch.testing.assert_close(torch.from_numpy(actual), KeywordOnly()(**example))


def test_anything_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"example_inputs must be a tuple or a dict .*a Tensor"):
        export_onnx(KeywordOnly(), torch.randn(1, 4, 3, 5), tmp_path / "up.onnx")
