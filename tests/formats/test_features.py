"""Files written in rectangles: what safetensors reads back, and nothing where it went wrong."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from unstride.formats.features import open_feature_file, save_tensors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_rectangles_make_the_same_file_as_one_tensor(tmp_path, dtype):
    features, metadata = torch.randn(35, 7, 9), {"name": "é", "size": "7x9"}
    path = tmp_path / "a.safetensors"
    with open_feature_file(path, (35, 7, 9), dtype, metadata) as writer:
        for rows in (slice(4, 7), slice(0, 4)):
            for columns in (slice(0, 2), slice(2, 9)):
                writer.write(rows, columns, features[:, rows, columns])
        assert not path.exists()
    assert torch.equal(load_file(path)["features"], features.to(dtype))
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == metadata
    with open_feature_file(path, (35, 7, 9), dtype, metadata) as writer:  # another takes its place
        writer.write(slice(0, 3), slice(0, 9), -features[:, :3])
        writer.write(slice(3, 7), slice(0, 9), -features[:, 3:])
    assert torch.equal(load_file(path)["features"], -features.to(dtype))
    save_tensors({"features": -features.to(dtype)}, tmp_path / "b.safetensors", metadata)
    assert path.stat().st_size == (tmp_path / "b.safetensors").stat().st_size
    assert path.stat().st_mode == (tmp_path / "b.safetensors").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


def test_an_error_leaves_nothing(tmp_path):
    def half():
        with open_feature_file(tmp_path / "a.safetensors", (1, 2, 2), torch.float32, {}) as writer:
            writer.write(slice(0, 1), slice(0, 2), torch.zeros(1, 1, 2))
            assert list(tmp_path.iterdir())
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        half()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_before(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**7))
    with (
        pytest.raises(OSError, match=r"a.safetensors needs 0\.02 GB, but only 0\.01 GB are free"),
        open_feature_file(tmp_path / "a.safetensors", (5, 1000, 1000), torch.float32, {}),
    ):
        pass
    assert not list(tmp_path.iterdir())


CHILD = """
import sys, time, torch
from pathlib import Path
from unstride.formats.features import open_feature_file
with open_feature_file(Path(sys.argv[1]), (1, 4, 4), torch.float32, {}) as writer:
    writer.write(slice(0, 2), slice(0, 4), torch.zeros(1, 2, 4))
    print("half", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_leaves_no_file_under_the_name(tmp_path):
    path = tmp_path / "a.safetensors"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert child.stdout.readline() == "half\n"
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert not path.exists()
    with open_feature_file(path, (1, 4, 4), torch.float32, {}) as writer:
        writer.write(slice(0, 4), slice(0, 4), torch.ones(1, 4, 4))
    assert torch.equal(load_file(path)["features"], torch.ones(1, 4, 4))
