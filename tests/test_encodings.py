"""Every text file and every text of a process has its encoding said, since systems differ.

ruff's PLW1514 finds what it can tell by types (`open`, `Path(...).read_text()`); this finds the
rest by name.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = "unstride", "tests", "benchmarks"
TEXT_FILE = {"read_text", "write_text"}


def calls_without_encoding(source: str) -> list[int]:
    """Lines of calls that read or write text in the encoding of the system."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and is_text(node) and "encoding" not in keywords(node)
    ]


def keywords(call: ast.Call) -> dict:
    return {k.arg: getattr(k.value, "value", None) for k in call.keywords}


def is_text(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if isinstance(call.func, ast.Name) and name == "open":
        mode = call.args[1] if len(call.args) > 1 else None
        return "b" not in str(getattr(mode, "value", keywords(call).get("mode")))
    return name in TEXT_FILE or any(keywords(call).get(k) for k in ("text", "universal_newlines"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_encoding_is_said(folder):
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in calls_without_encoding(path.read_text(encoding="utf-8"))
    ]
    assert not found, "say encoding='utf-8'"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("path.read_text()", 1),
        ("path.write_text(text)", 1),
        ("path.read_text(encoding='utf-8')", 0),
        ("open(path)", 1),
        ("open(path, 'w')", 1),
        ("open(path, mode='rb')", 0),
        ("open(path, 'rb')", 0),
        ("Image.open(path)", 0),
        ("subprocess.run(words, text=True)", 1),
        ("subprocess.run(words, text=False)", 0),
        ("subprocess.run(words, encoding='utf-8')", 0),
    ],
)
def test_what_is_found(source, count):
    assert len(calls_without_encoding(source)) == count
