"""Memory sizes as text, and the free memory of the machine and its control groups."""

from types import SimpleNamespace

import psutil
import pytest
import torch

from unstride.tiling.memory_budget import (
    available_ram,
    parse_memory,
    remaining_memory,
    resident_memory,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, None),
        ("8GB", 8 * 10**9),
        ("500MB", 500 * 10**6),
        ("1.5 gb", 1_500_000_000),
        ("2GiB", 2 * 2**30),
        ("512KiB", 512 * 1024),
        ("1TiB", 2**40),
        ("4096B", 4096),
    ],
)
def test_sizes(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["8", "GB", "0GB", "-1GB", "8 Go", "8GBs", "1e3MB", "", "iB"])
def test_sizes_that_are_none(text):
    with pytest.raises(ValueError, match="memory must be a size such as 8GB or 500MB, got"):
        parse_memory(text)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")

    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=8000 * 1024))
    return tmp_path, write


def group(write, path, limit, used, cached, *, version=2):
    names = {
        2: ("memory.max", "memory.current", "inactive_file"),
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    }[version]
    for name, value in zip(names, (limit, used), strict=False):
        write(f"sys/fs/cgroup/{path}/{name}", f"{value}\n")
    write(f"sys/fs/cgroup/{path}/memory.stat", f"anon 5\n{names[2]} {cached}\nother 7\n")


def test_without_groups_it_is_what_the_machine_has(machine):
    root, write = machine
    assert available_ram(root) == 8000 * 1024
    write("proc/self/cgroup", "0::/a/b\n")
    assert available_ram(root) == 8000 * 1024
    group(write, "a/b", "max", 5, 0)
    group(write, "a", 10**12, 5, 0)
    assert available_ram(root) == 8000 * 1024


def test_the_strictest_of_a_group_and_those_above_counts(machine):
    root, write = machine
    write("proc/self/cgroup", "0::/a/b\n")
    group(write, "a/b", 3_000_000, 1_000_000, 200_000)
    assert available_ram(root) == 2_200_000
    group(write, "a", 2_000_000, 1_500_000, 0)
    assert available_ram(root) == 500_000
    group(write, "", 2_000_000, 2_500_000, 0)  # over its limit: nothing is left
    assert available_ram(root) == 0


def test_the_first_version_of_groups(machine):
    root, write = machine
    write("proc/self/cgroup", "5:devices:/x\n4:cpu,memory:/job\n0::/\n")
    group(write, "memory/job", 3_000_000, 1_000_000, 0, version=1)
    assert available_ram(root) == 2_000_000
    write("proc/self/cgroup", "4:memory:/seen/outside\n")  # in a container: the mount is the group
    group(write, "memory", 1_500_000, 1_000_000, 0, version=1)
    assert available_ram(root) == 500_000


def test_what_the_machine_has_is_what_psutil_says(tmp_path):
    before = psutil.virtual_memory()
    assert 0.5 * before.available < available_ram(tmp_path) < before.total


@pytest.mark.parametrize(
    "error", [OSError("no /proc"), NotImplementedError(), psutil.AccessDenied(1)]
)
def test_a_machine_that_does_not_tell_has_some(error, tmp_path, monkeypatch):
    def refuse(*_):
        raise error

    monkeypatch.setattr("psutil.virtual_memory", refuse)
    monkeypatch.setattr("psutil.Process", refuse)
    assert available_ram(tmp_path) == 4 * 10**9
    assert resident_memory() == 0


def test_a_budget_counts_what_is_in_use_already(monkeypatch):
    here = torch.device("cpu")
    before = resident_memory()
    kept = torch.ones(50_000_000)
    assert resident_memory() - before > 0.9 * kept.nbytes
    assert abs(remaining_memory(10**12, here) - (10**12 - resident_memory())) < 10_000_000
    monkeypatch.setattr("unstride.tiling.memory_budget.available_ram", lambda: 8000)
    assert remaining_memory(None, here) == 4000


def test_on_a_gpu_its_own_memory_counts(monkeypatch):
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (600, 1000))
    assert remaining_memory(None, torch.device("cuda")) == 300
    assert remaining_memory(900, torch.device("cuda")) == 800
