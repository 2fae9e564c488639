"""What the package says of systems and Pythons agrees, and files can be written on all of them."""

import os
import re
import tomllib
from pathlib import Path

import yaml

from unstride.formats.atomic_write import atomic_write_text

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"


def classified_pythons():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    prefix = "Programming Language :: Python :: "
    return [line.removeprefix(prefix) for line in project["classifiers"] if prefix in line]


def test_the_workflow_runs_each_python_of_the_classifiers_on_each_system():
    [job] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == classified_pythons() == ["3.11", "3.12", "3.13", "3.14"]
    assert matrix["system"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    assert "pip wheel" in commands
    assert "pip install dist/*.whl" in commands
    for folder in re.findall(r"tests/[\w/.]+", commands):
        assert (ROOT / folder).exists(), folder


def test_the_table_of_platforms_names_every_python():
    page = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
    assert all(version in page for version in (classified_pythons()[0], classified_pythons()[-1]))
    assert all(system in page for system in ("Linux, x86-64", "macOS, arm64", "Windows, x86-64"))


def test_a_file_is_synced_through_a_handle_that_may_write(tmp_path, monkeypatch):
    """Windows refuses to sync a file that is open for reading only."""
    real, synced = os.fsync, []

    def fsync(handle):
        os.write(handle, b"")  # fails if the handle may not write
        synced.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    atomic_write_text(tmp_path / "a.txt", "größer")
    assert synced
    assert (tmp_path / "a.txt").read_bytes() == "größer".encode()
