"""A mutant: one replacement in one file, and the tests that are responsible for it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Mutant:
    """A way to break a file: what it is called, what stands there, what shall stand there."""

    file: str
    name: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """The name under which the file is imported."""
        return self.file.removesuffix(".py").replace("/", ".")

    def source(self) -> str:
        """The broken source; the replacement must be possible in exactly one place."""
        text = (ROOT / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file}: {self.name}: found {text.count(self.old)} times")
        return text.replace(self.old, self.new)


def mutants_of(file: str, tests: tuple[str, ...], *ways: tuple[str, str, str]) -> list[Mutant]:
    """Mutants of one file."""
    return [Mutant(file, name, old, new, tests) for name, old, new in ways]
