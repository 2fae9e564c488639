"""State dicts are read from any file that holds one; other files are refused in a sentence."""

import argparse

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from unstride.formats.state_dict import read_state_dict

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "bn.num_batches_tracked": torch.tensor(4)}
OTHER = {"fc.weight": torch.ones(3)}
LIGHTNING = {
    "epoch": 3, "state_dict": STATE, "lr_schedulers": [], "hparams": {"rate": 0.1},
    "callbacks": {"best": {"best_model_score": torch.tensor(0.5)}},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
}  # fmt: skip


def same(state, expected=STATE):
    return state.keys() == expected.keys() and all(
        torch.equal(state[name], expected[name]) for name in expected
    )


@pytest.mark.parametrize("suffix", ["pth", "pt", "bin", "ckpt", "safetensors", "weights"])
@pytest.mark.parametrize("write", ["torch", "old torch", "safetensors"])
def test_the_content_decides_and_not_the_suffix(write, suffix, tmp_path):
    path = tmp_path / f"w.{suffix}"
    if write == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=write == "torch")
    assert same(read_state_dict(path))
    assert same(read_state_dict(str(path)))


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": STATE},
        {"model": STATE, "epoch": 3, "score": torch.tensor(0.5)},
        {"teacher": STATE, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}},
        {"model": {"state_dict": STATE}},
        {"params": STATE, "version": "1"},
        LIGHTNING,
        STATE | {"epoch": 3, "notes": "none"},
        STATE,
    ],
    ids=["state_dict", "model", "teacher", "nested", "params", "lightning", "mixed", "plain"],
)
def test_the_only_state_dict_of_a_checkpoint_is_found(content, tmp_path):
    torch.save(content, tmp_path / "c.pth")
    assert same(read_state_dict(tmp_path / "c.pth"))


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"student": STATE, "teacher": OTHER}, "student, teacher"),
        ({"model": {"encoder": STATE, "decoder": OTHER}}, r"model\.encoder, model\.decoder"),
        (STATE | {"ema": OTHER}, "top level, ema"),
    ],
)
def test_several_state_dicts_are_named(content, names, tmp_path):
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(ValueError, match=rf"c\.pth: must hold a single .* got several: {names}$"):
        read_state_dict(tmp_path / "c.pth")


@pytest.mark.parametrize(
    ("content", "kind"),
    [({"epoch": 3}, "dict"), ([torch.ones(3)], "list"), (torch.ones(3), "Tensor"), ({}, "dict")],
)
def test_other_things_are_no_state_dict(content, kind, tmp_path):
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(ValueError, match=rf"c\.pth: expected a state dict, .* got a {kind}$"):
        read_state_dict(tmp_path / "c.pth")


class Mischief:
    def __reduce__(self):
        return (print, ("code of the file ran",))


@pytest.mark.parametrize(
    "content",
    [
        Mischief(),
        {"model": STATE, "args": argparse.Namespace(lr=1)},
        nn.Conv2d(1, 1, 1),
    ],
    ids=["code", "options", "module"],
)
def test_no_code_of_a_file_is_run(content, tmp_path, capsys):
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(ValueError, match=r"c\.pth: holds no .*save the model's state_dict\(\)$"):
        read_state_dict(tmp_path / "c.pth")
    assert "code of the file ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80\x04", b"PK" + bytes(50), b"no weights", bytes(8) + b"{", b"\xff" * 8 + b"{}"],
)
def test_damaged_files_are_a_sentence_with_the_path(data, tmp_path):
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(ValueError, match=r"w\.pth: ") as error:
        read_state_dict(tmp_path / "w.pth")
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_truncated_files_are_a_sentence_with_the_path(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    torch.save(STATE, tmp_path / "b.pth")
    torch.jit.save(torch.jit.script(nn.ReLU()), tmp_path / "c.pt")
    for path in (tmp_path / "a.safetensors", tmp_path / "b.pth"):
        path.write_bytes(path.read_bytes()[:-20])
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=rf"{path.name}: ") as error:
            read_state_dict(path)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="none: no such file"):
        read_state_dict(tmp_path / "none")
    with pytest.raises(ValueError, match="no such file"):
        read_state_dict(tmp_path)
