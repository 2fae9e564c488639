"""A kernel's cache that is damaged, old or not readable is a miss: compiled and written anew."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from unstride.ops import cpu
from unstride.ops.kernel_cache import KernelFiles

DAMAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "zeroed": lambda content: bytes(len(content)),
    "random": lambda content: np.random.default_rng(0).bytes(len(content)),
    "one bit": lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:],
    "of another version": lambda content: pickle.dumps("0.0.0") + content[20:],
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Returns a function that loads or compiles a small kernel as a new process would."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def load():
        def kernel(values):
            values[0] += 3

        compiled = cpu._compile(kernel, "adds_three", "void(f4[::1])")
        values = np.ones(1, np.float32)
        compiled(values)
        assert values[0] == 4
        return compiled

    return load


def files(tmp_path, suffix):
    return list(tmp_path.rglob(f"*{suffix}"))


def is_from_cache(compiled):
    return bool(compiled.stats.cache_hits)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc", ".sha256"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_a_miss_and_is_written_anew(damage, suffix, load, tmp_path):
    load()
    assert is_from_cache(load())
    [path] = files(tmp_path, suffix)
    whole = path.read_bytes()
    path.write_bytes(damaged := DAMAGES[damage](whole.ljust(400)))
    assert not is_from_cache(load())
    assert path.read_bytes() != damaged
    assert is_from_cache(load())


@pytest.mark.parametrize("suffix", [".nbi", ".nbc", ".sha256"])
def test_a_file_that_is_not_there_is_a_miss(suffix, load, tmp_path):
    load()
    [path] = files(tmp_path, suffix)
    path.unlink()
    assert not is_from_cache(load())
    assert is_from_cache(load())


def test_what_numba_cannot_load_is_a_miss_though_it_is_sealed(load, tmp_path):
    load()
    [path] = files(tmp_path, ".nbc")
    path.write_bytes(b"written by another tool")
    KernelFiles(path.parent, "adds_three").seal()
    load()
    assert path.read_bytes() != b"written by another tool"
    assert is_from_cache(load())


@pytest.mark.parametrize("suffix", [".nbi", ".nbc", ".sha256"])
def test_a_file_that_can_be_neither_read_nor_removed_costs_the_cache_only(suffix, load, tmp_path):
    load()
    [path] = files(tmp_path, suffix)
    path.unlink()
    path.mkdir()
    (path / "in the way").mkdir()
    load()
    assert path.is_dir()


def test_a_full_disk_costs_the_cache_only(load, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    compilations = []
    real = cpu.numba.core.compiler.compile_extra
    monkeypatch.setattr(
        "numba.core.compiler.compile_extra",
        lambda *given, **how: (compilations.append(1), real(*given, **how))[1],
    )
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", full)
    load()
    assert len(compilations) == 1
    assert not files(tmp_path, ".nb?")


def test_other_kernels_stay(load, tmp_path):
    load()
    [path] = files(tmp_path, ".nbc")
    other = path.with_name(path.name.replace("adds_three", "adds_three_again"))
    other.write_bytes(b"of another kernel")
    KernelFiles(path.parent, "adds_three").remove()
    assert files(tmp_path, ".nbc") == [other]


OWN = """
import numpy as np
from unstride.ops import cpu

def kernel(values):
    values[0] += 3

compiled = cpu._compile(kernel, "adds_three", "void(f4[::1])")
compiled(values := np.ones(1, np.float32))
assert values[0] == 4
print("from the cache" if compiled.stats.cache_hits else "compiled")
"""


def test_a_process_that_finds_garbage_compiles_and_the_next_one_loads(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    said = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, str(tmp_path / "own.py")],
            env=environment, capture_output=True, encoding="utf-8",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.strip())
        if len(said) == 1:
            for path in [*files(tmp_path, ".nbi"), *files(tmp_path, ".nbc")]:
                path.write_bytes(DAMAGES["random"](path.read_bytes()))
    assert said == ["compiled", "compiled", "from the cache"]
