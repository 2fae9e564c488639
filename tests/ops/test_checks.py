"""Arguments that do not fit are refused, with a message of one line that names them."""

import pytest
import torch

from unstride.ops import correlate, fold_border, reassemble, scatter, spread_border

F, W, Q = torch.ones(2, 6, 4, 5), torch.ones(2, 2, 3, 3, 8, 10), torch.ones(2, 6, 8, 10)

REFUSED = [
    pytest.param(lambda: reassemble(F[0], W), r"features.*\(6, 4, 5\)", id="features rank"),
    pytest.param(lambda: reassemble(F, W[0]), r"weights.*\(2, 3, 3, 8, 10\)", id="weights rank"),
    pytest.param(
        lambda: reassemble(F, W[:, :, :2]), r"weights.*\(2, 2, 2, 3, 8, 10\)", id="oblong"
    ),
    pytest.param(lambda: reassemble(F[:, :5], W), r"features.*multiple of 2.*\(2, 5", id="groups"),
    pytest.param(lambda: reassemble(F[:1], W), r"weights.*batch size.*\(1\)", id="batch"),
    pytest.param(lambda: reassemble(F, W.double()), r"weights.*float32.*float64", id="types"),
    pytest.param(lambda: reassemble(F, W.to("meta")), r"weights.*cpu.*meta", id="devices"),
    pytest.param(lambda: reassemble(F.int(), W.int()), r"features.*floating", id="integers"),
    pytest.param(lambda: correlate(Q[0], F, 3), r"queries.*\(6, 8, 10\)", id="queries rank"),
    pytest.param(lambda: correlate(Q, F[0], 3), r"keys.*\(6, 4, 5\)", id="keys rank"),
    pytest.param(lambda: correlate(Q, F[:, :4], 3), r"keys.*6.*\(2, 4", id="channels differ"),
    pytest.param(lambda: correlate(Q, F, 0), r"kernel_size.*0", id="no window"),
    pytest.param(lambda: correlate(Q, F, 3, 0), r"groups.*0", id="no groups"),
    pytest.param(lambda: correlate(Q, F, 3, 4), r"queries.*multiple of 4", id="query groups"),
    pytest.param(lambda: scatter(Q[:, :, :7], W, (4, 5)), r"values.*grid.*\(8, 10\)", id="grid"),
    pytest.param(lambda: scatter(Q, W, (4,)), r"size.*\(4,\)", id="size"),
    pytest.param(lambda: scatter(Q, W, (-1, 5)), r"size.*-1", id="negative size"),
    pytest.param(lambda: scatter(Q, W, 4), r"size must be \(height, width\).* 4", id="one number"),
    pytest.param(lambda: fold_border(W, 4), r"size must be \(height, width\).* 4", id="fold"),
    pytest.param(lambda: spread_border(W, (4.0, 5)), r"size must be .*\(4.0, 5\)", id="spread"),
    pytest.param(lambda: spread_border(W, (4, 5, 6), "exclude"), r"size must be ", id="exclude"),
    pytest.param(lambda: fold_border(W, (4, 5), "wrap"), r"mode.*'wrap'", id="mode"),
    pytest.param(lambda: spread_border(W, (4, 5), "wrap"), r"mode.*'wrap'", id="score mode"),
    pytest.param(
        lambda: fold_border(torch.ones(1, 1, 4, 4, 8, 8), (4, 4)),
        "even window.*replicate",
        id="even",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
