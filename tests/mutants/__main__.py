"""Runs the mutation tests (`make mutants`): breaks each file in named ways; a test must notice.

A test counts once it has been seen to fail. Each mutant is one replacement in one file. It runs
in a process of its own, which loads that module from the broken source and runs the responsible
tests; the first failure kills the mutant.
"""

import argparse
import importlib.abc
import importlib.util
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.mutants.mutant import ROOT, Mutant

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
        path.write_text(mutant.source())

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


def survives(mutant: Mutant) -> bool:
    """Run the responsible tests in a child process, since a broken kernel may crash; True if all pass."""
    child = os.fork()
    if child == 0:
        import pytest

        with tempfile.TemporaryDirectory() as folder:
            if mutant.file.endswith("cpu.py"):
                os.environ["NUMBA_CACHE_DIR"] = folder  # never a kernel of the sound source
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1), os.dup2(sink, 2)
            sys.meta_path.insert(0, MutantImporter(mutant, Path(folder) / "broken.py"))
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *mutant.tests])
        os._exit(int(code))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (2, 3, 4, 5):
        raise RuntimeError(f"{mutant.file}: {mutant.name}: the tests did not run (pytest: {code})")
    return code == 0


def main() -> int:
    """Run the selected mutants; the exit code is the number of survivors."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument(
        "--only", default="", help="run the mutants whose file or name contains this"
    )
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ.setdefault("TRITON_INTERPRET", "1")
    selected = [m for m in MUTANTS if options.only in f"{m.file} {m.name}"]
    for mutant in selected:
        mutant.source()  # fail before the long wait if a replacement no longer applies
    import torch  # noqa: F401  loaded once, before the forks

    console = Console(highlight=False)
    alive = []
    for mutant in track(selected, "mutants", console=console):
        if survives(mutant):
            alive.append(mutant)
        outcome = "LIVES" if mutant in alive else "dies"
        console.print(f"{outcome}: {mutant.file}: {mutant.name}", markup=False)
    console.print(f"{len(selected) - len(alive)} of {len(selected)} mutants were noticed")
    return len(alive)


if __name__ == "__main__":
    sys.exit(main())
