"""Runs the mutation tests (`make mutants`): breaks each file in named ways; a test must notice.

A test counts once it has been seen to fail. Each mutant is one replacement in one file. It runs
in a process of its own, which loads that module from the broken source and runs the responsible
tests; the first failure kills the mutant.
"""

import argparse
import importlib.abc
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import track

from tests.mutants.mutant import ROOT, Mutant

# Loaded once, before the forks. Not numba: it reads where its cache is when it is loaded.
PRELOADED = "torch", "torchvision", "timm", "pytorch_lightning", "torchmetrics", "rich"
NOT_MUTANTS = {"__main__", "mutant"}
MUTANT_MODULES = [
    import_module(f"tests.mutants.{file.stem}")
    for file in sorted(Path(__file__).parent.glob("*.py"))
    if file.stem not in NOT_MUTANTS | {"__init__"}
]
MUTANTS = [mutant for module in MUTANT_MODULES for mutant in module.MUTANTS]


class MutantImporter(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Loads one module from a mutant's source."""

    def __init__(self, mutant: Mutant, path: Path):
        self.mutant, self.path = mutant, path
        path.write_text(mutant.source(), encoding="utf-8")

    def find_spec(self, fullname, path=None, target=None):
        """Find the broken module, and no other."""
        if fullname == self.mutant.module:
            return importlib.util.spec_from_file_location(fullname, self.path)
        return None

    def get_filename(self, fullname):
        """Return the path that tracebacks show."""
        return str(self.path)

    def get_data(self, path):
        """Return the broken source."""
        return Path(path).read_bytes()


def outcome(mutant: Mutant) -> str:
    """Whether the responsible tests notice a mutant: dies, LIVES or NOT RUN.

    They run in a child process, since a broken kernel may crash.
    """
    child = os.fork()
    if child == 0:
        with tempfile.TemporaryDirectory() as folder:
            if mutant.file.endswith("cpu.py"):
                os.environ["NUMBA_CACHE_DIR"] = folder  # never a kernel of the sound source
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1), os.dup2(sink, 2)
            sys.meta_path.insert(0, MutantImporter(mutant, Path(folder) / "broken.py"))
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *mutant.tests])
        os._exit(int(code))
    _, status = os.waitpid(child, 0)
    return {0: "LIVES", **dict.fromkeys((2, 3, 4, 5), "NOT RUN")}.get(
        os.waitstatus_to_exitcode(status), "dies"
    )


def run(mutants: Sequence[Mutant]) -> int:
    """Run mutants one after another; returns how many were not noticed."""
    for library in PRELOADED:
        import_module(library)
    console = Console(highlight=False)
    unnoticed = 0
    for mutant in track(mutants, "mutants", console=console):
        found = outcome(mutant)
        unnoticed += found != "dies"
        console.print(f"{found}: {mutant.file}: {mutant.name}", markup=False)
    console.print(f"{len(mutants) - unnoticed} of {len(mutants)} mutants were noticed")
    return unnoticed


def main() -> int:
    """Run the selected mutants; the exit code says whether any was not noticed."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose file or name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes (default: 2)")
    parser.add_argument("--share", type=int, help="run the n-th share of the jobs alone, from 0")
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ.setdefault("TRITON_INTERPRET", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    selected = [m for m in MUTANTS if options.only in f"{m.file} {m.name}"]
    for mutant in selected:
        mutant.source()  # fail before the long wait if a replacement no longer applies
    if options.share is not None:
        return min(run(selected[options.share :: options.jobs]), 1)
    command = [sys.executable, "-m", "tests.mutants", f"--only={options.only}"]
    command += [f"--jobs={options.jobs}"]
    jobs = [subprocess.Popen([*command, f"--share={n}"]) for n in range(options.jobs)]
    return max(job.wait() for job in jobs)


if __name__ == "__main__":
    sys.exit(main())
