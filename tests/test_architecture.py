"""The map in docs/architecture.md is that of today's imports, which run in no circle."""

import subprocess
import sys

import pytest

from benchmarks.architecture import (
    PAGE,
    PICTURE,
    ROOT,
    circle,
    floors,
    functions,
    import_graph,
    page_with,
    picture,
    table,
)


def test_no_file_imports_in_a_circle():
    assert circle(import_graph()) == []


def test_a_circle_is_found():
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


def test_the_map_is_that_of_the_imports():
    page = PAGE.read_text(encoding="utf-8")
    assert page_with(table(), page) == page, "run `make architecture`"
    assert picture() == PICTURE.read_text(encoding="utf-8"), "run `make architecture`"


def test_every_package_has_a_floor():
    packages = {path.parent.name for path in (ROOT / "unstride").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "unstride").glob("*.py")} - {"__init__"}
    assert {name for floor in floors() for name in floor} == packages | modules


def test_a_docstring_is_no_line_of_a_function():
    import ast

    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    a = 1\n    return a\n')
    assert list(functions(tree)) == [("f", 2)]


@pytest.mark.parametrize("name", ["unstride.nowhere -> numba", "unstride.ops.cpu -> nowhere"])
def test_a_contract_that_names_what_is_not_there_fails(tmp_path, name):
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        settings.replace("unstride.ops.cpu -> numba", name), encoding="utf-8"
    )
    code = "from importlinter.cli import lint_imports; sys.exit(lint_imports('pyproject.toml'))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        cwd=tmp_path, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode != 0
    assert "No matches for ignored import" in done.stdout + done.stderr
