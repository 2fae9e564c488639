"""Draws the map of the package from its imports, and measures its files and functions.

python -m benchmarks.architecture           # prints sizes and circles
python -m benchmarks.architecture --write   # and redraws docs/architecture.svg and .md
"""

import argparse
import ast
import statistics
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
PICTURE = ROOT / "docs/architecture.svg"
BEGIN, END = "<!-- written by `make architecture` -->", "<!-- end of the table -->"
BOX_WIDTH, BOX_HEIGHT = 116, 58  # in pixels


def floors() -> list[list[str]]:
    """The packages of each floor, from the top, as the import-linter contract states them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in layers]


def import_graph() -> dict[str, set[str]]:
    """The modules of unstride that each module imports, type-checking imports included."""
    graph = grimp.build_graph("unstride")
    return {
        module: {
            imported
            for imported in graph.find_modules_directly_imported_by(module)
            if imported.startswith("unstride")
        }
        for module in graph.modules
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or nothing if no import runs in a circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def picture() -> str:
    """The floors as an SVG: a row for each, with its packages as boxes."""
    levels = floors()
    width, height = 90 + BOX_WIDTH * max(map(len, levels)), 20 + BOX_HEIGHT * len(levels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" text-anchor="middle">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="4" refY="7" markerWidth="8" '
        'markerHeight="8"><path d="M0 0H8L4 8z" fill="#666"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M30 24V{height - 24}" stroke="#666" marker-end="url(#tip)"/>',
        f'<text x="20" y="{height / 2}" font-size="13" fill="#666" '
        f'transform="rotate(-90 20 {height / 2})">imports go down</text>',
    ]
    for place, packages in enumerate(levels):
        top = 10 + BOX_HEIGHT * place
        parts.append(
            f'<text x="62" y="{top + 32}" font-size="14" fill="#666">'
            f"{len(levels) - 1 - place}</text>"
        )
        for column, name in enumerate(packages):
            left, middle = 84 + BOX_WIDTH * column, 84 + BOX_WIDTH * (column + 0.5) - 3
            count = len(list((ROOT / "unstride" / name).rglob("*.py"))) or 1
            files = f"{count} file{'s' if count > 1 else ''}"
            parts += [
                f'<rect x="{left}" y="{top + 4}" width="{BOX_WIDTH - 6}" height="{BOX_HEIGHT - 8}" '
                'rx="6" fill="#e8f0f8" stroke="#4878a8"/>',
                f'<text x="{middle}" y="{top + 26}" font-size="15" fill="#223">{name}</text>',
                f'<text x="{middle}" y="{top + 42}" font-size="11" fill="#557">{files}</text>',
            ]
    return "\n".join([*parts, "</svg>", ""])


def table() -> str:
    """The packages, what they hold, and what they import."""
    levels, graph = floors(), import_graph()
    lines = ["| floor | package | files | holds | imports |", "|---|---|---|---|---|"]
    for number, packages in zip(range(len(levels) - 1, -1, -1), levels, strict=True):
        lines += [f"| {number} | {row(name, graph)} |" for name in packages]
    return "\n".join(lines)


def row(name: str, graph: dict[str, set[str]]) -> str:
    """One package in the table: its files, the first sentence of its docstring, its imports."""
    holds = (import_module(f"unstride.{name}").__doc__ or "").split("\n\n")[0]
    own = [m for m in graph if m == f"unstride.{name}" or m.startswith(f"unstride.{name}.")]
    folder = ROOT / "unstride" / name
    files = len(list(folder.rglob("*.py"))) if folder.is_dir() else 1
    imported = {m.split(".")[1] for module in own for m in graph[module] if "." in m} - {name}
    return f"`{name}` | {files} | {' '.join(holds.split())} | {', '.join(sorted(imported))}"


def page_with(drawn: str, page: str) -> str:
    """The page with another table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{drawn}\n{END}{after}"


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of functions and their lines without the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body
            if ast.get_docstring(node) and len(body) > 1:
                body = body[1:]
            yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1


def sizes(folder: Path) -> str:
    """Median and longest module and function, and files in each folder."""
    modules = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}
    lengths = {str(p.relative_to(folder)): len(text.splitlines()) for p, text in modules.items()}
    bodies = [
        (length, f"{path.relative_to(folder)}:{name}")
        for path, text in modules.items()
        for name, length in functions(ast.parse(text))
    ]
    median = statistics.median
    longest = max(lengths, key=lambda name: lengths[name])
    files: dict[str, int] = {}
    for path in modules:
        home = str(path.parent.relative_to(folder))
        files[home] = files.get(home, 0) + 1
    return "\n".join(
        [
            f"modules: {len(modules)}, median {median(lengths.values()):.0f} lines, "
            f"longest {lengths[longest]} ({longest})",
            f"functions: {len(bodies)}, median {median(n for n, _ in bodies):.0f} lines, "
            f"longest {max(bodies)[0]} ({max(bodies)[1]})",
            "files: " + ", ".join(f"{home} {n}" for home, n in sorted(files.items())),
        ]
    )


def main() -> int:
    """Print the sizes and any circle, redraw the map if asked; 1 if there is a circle."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architecture", description=__doc__)
    parser.add_argument("--write", action="store_true", help="redraw docs/architecture.*")
    options = parser.parse_args()
    print(sizes(ROOT / "unstride"))
    found = circle(import_graph())
    print(f"circles: {' -> '.join(found) or 'none'}")
    if options.write:
        PICTURE.write_text(picture(), encoding="utf-8")
        PAGE.write_text(page_with(table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
