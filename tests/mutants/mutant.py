"""A mutant: one replacement in one file, and the tests that must notice it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Mutant:
    """A way to break a file.

    Args:
        file: path of the file, relative to the repository.
        name: what the mutant breaks, in a few words.
        old: source text to replace; it must occur exactly once.
        new: the text in its place.
        tests: arguments of pytest that select the responsible tests.
    """

    file: str
    name: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """Name under which the file is imported."""
        return self.file.removesuffix(".py").replace("/", ".")

    def source(self) -> str:
        """Return the broken source; the replacement must be possible in exactly one place."""
        text = (ROOT / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.file}: {self.name}: found {text.count(self.old)} times, not once"
            )
        return text.replace(self.old, self.new)


def mutants_of(
    file: str, tests: tuple[str, ...], *replacements: tuple[str, str, str]
) -> list[Mutant]:
    """Create the mutants of one file from replacements (name, old, new)."""
    return [Mutant(file, name, old, new, tests) for name, old, new in replacements]
