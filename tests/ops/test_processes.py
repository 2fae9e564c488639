"""Forks, threads and read-only folders, where compiled extensions and JITs usually break."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from unstride.ops import correlate, cpu, cpu_threads, reassemble


class Upsampled(Dataset):
    """A data set whose workers reassemble."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        features = torch.full((1, 32, 24, 24), float(i))
        with mock.patch("torch.get_num_threads", return_value=2):  # loaders set it to 1
            return reassemble(features, torch.ones(1, 1, 5, 5, 48, 48))[0, 0, 20, 20]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_workers_reassemble_after_the_parent_has():
    torch.set_num_threads(2)
    reassemble(torch.ones(1, 64, 32, 32), torch.ones(1, 1, 5, 5, 64, 64))  # starts the pool
    loader = DataLoader(Upsampled(), num_workers=2, multiprocessing_context="fork", timeout=60)
    assert sorted(value.item() for value in loader) == [25.0 * i for i in range(6)]


@pytest.mark.parametrize("team", [True, False], ids=["torch's threads", "our own"])
def test_a_failure_in_any_thread_is_raised(team, monkeypatch):
    if not team:
        monkeypatch.setattr(cpu_threads, "_openmp_parallel", lambda pid: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    done = []

    def kernel(i):
        if i == 5:
            raise MemoryError("no memory for a ring")
        done.append(i)

    with pytest.raises(MemoryError, match="ring"):
        cpu_threads.run_jobs(
            [(kernel, i) for i in range(64)], multiply_adds=cpu_threads.MIN_PARALLEL_WORK + 1
        )
    done.clear()
    cpu_threads.run_jobs(
        [(kernel, i) for i in range(6, 64)], multiply_adds=cpu_threads.MIN_PARALLEL_WORK + 1
    )
    assert sorted(done) == list(range(6, 64))


def test_without_torchs_threads_our_own_do_the_same(monkeypatch):
    f, w = torch.randn(1, 64, 24, 24), torch.randn(1, 1, 5, 5, 48, 48)
    expected = reassemble(f, w)
    monkeypatch.setattr(cpu_threads, "_openmp_parallel", lambda pid: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(reassemble(f, w), expected)


def test_openmp_is_found_whatever_its_folder_is_called(tmp_path, monkeypatch):
    path = "/opt/my torch/caf\udce9/libgomp.so.1"  # the last letter of the folder is no UTF-8
    start = "7f0000000000-7f0000001000 r-xp 00000000 08:01 42 "
    lines = [start + path, start + "/opt/libgomp/other.so", start[:-3] + "0", start + "[heap]", ""]
    (tmp_path / "maps").write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    monkeypatch.setattr(cpu_threads, "MEMORY_MAP", tmp_path / "maps")
    assert cpu_threads._loaded_openmp() == {path}
    assert cpu_threads._openmp_parallel.__wrapped__(os.getpid()) is None  # there is no such file


def test_where_libraries_are_not_listed_threads_are_our_own(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu_threads, "MEMORY_MAP", tmp_path / "none")
    assert cpu_threads._openmp_parallel.__wrapped__(os.getpid()) is None


@pytest.mark.skipif(sys.platform != "linux", reason="torch uses GNU's OpenMP on Linux only")
def test_on_linux_openmp_is_found():
    assert any("torch" in path for path in cpu_threads._loaded_openmp())
    assert cpu_threads._openmp_parallel.__wrapped__(os.getpid()) is not None


def test_many_threads_at_once():
    f, w = torch.randn(1, 64, 24, 24), torch.randn(1, 1, 5, 5, 48, 48)
    out, scores = reassemble(f, w), correlate(reassemble(f, w), f, 5)

    def work(i):
        return torch.equal(reassemble(f, w), out) and torch.equal(correlate(out, f, 5), scores)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(48)))


USE = """
import torch
from unstride.ops import reassemble

assert reassemble(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3, 6, 6))[0, 0, 3, 3] == 9
"""
NOWHERE_TO_WRITE = """
import tempfile

def refuse(*_, **__):
    raise PermissionError("read-only file system")

tempfile.TemporaryFile = refuse  # how numba finds out whether it may write a cache
"""


def test_a_read_only_install_compiles_for_itself():
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    command = [sys.executable, "-c", NOWHERE_TO_WRITE + USE]
    result = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr


def test_where_a_cache_can_be_written_it_is(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", USE], env=environment, check=True)
    assert list(tmp_path.rglob("*.nbc"))


def test_no_two_kernels_share_a_name(monkeypatch):
    """A cache finds compiled code by name; two processes' kernels of one name become one."""
    monkeypatch.setattr(cpu, "_compile", lambda kernel, name, signature: SimpleNamespace(
        __qualname__=name
    ))  # fmt: skip
    windows = [(1, (0,)), (3, (0,)), (3, (0, 1)), (3, (0, 0, 1, 1)), (5, (0,))]
    kernels = [
        *(
            cpu.weighted_sum_kernel.__wrapped__(*w, adjoint, torch.float32)
            for w in windows
            for adjoint in (0, 1)
        ),
        *(cpu.dot_product_kernel.__wrapped__(*w, torch.float32) for w in windows),
        *(cpu._row_sum_kernel(*w) for w in windows),
        *(cpu._row_dot_kernel(*w) for w in windows),
    ]
    names = [getattr(kernel, "py_func", kernel).__qualname__ for kernel in kernels]
    assert len(set(names)) == len(names)
