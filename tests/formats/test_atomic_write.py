"""Files appear whole, and what killed runs left is removed; what living runs write stays."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from unstride.formats import atomic_write
from unstride.formats.atomic_write import (
    UNTOUCHED_SECONDS,
    atomic_path,
    atomic_write_text,
    place,
    remove_leftovers,
    temporary_folder,
)

WRITER = """
import sys, time
from pathlib import Path
from unstride.formats.atomic_write import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("half", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing a file."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a.txt")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout.readline() == "half\n"
    yield process
    process.kill()
    process.communicate()


def temporary_files(folder):
    return sorted(folder.rglob("*.tmp"))


def test_files_of_a_killed_run_are_removed_and_those_of_a_living_run_stay(writer, tmp_path):
    assert len(temporary_files(tmp_path)) == 1
    remove_leftovers(tmp_path)
    assert len(temporary_files(tmp_path)) == 1
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    remove_leftovers(tmp_path)
    assert not temporary_files(tmp_path)
    assert not (tmp_path / "a.txt").exists()


def test_my_own_files_stay(tmp_path):
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole", encoding="utf-8")
        remove_leftovers(tmp_path)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "whole"


def leftover(folder, name="a.png", pid=None, where=None):
    """A file of a run of this machine that has ended, unless told otherwise."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.{dead_pid() if pid is None else pid}-{where or place()}.tmp"
    path.write_text("half", encoding="utf-8")
    return path


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_folders_inside_are_searched_unless_told_otherwise(tmp_path):
    inside = leftover(tmp_path / "records")
    remove_leftovers(tmp_path, recursive=False)
    assert inside.exists()
    remove_leftovers(tmp_path)
    assert not inside.exists()
    remove_leftovers(tmp_path / "missing")


def test_files_of_another_machine_stay_for_a_week(tmp_path):
    """A shared folder: the number of the process says nothing here."""
    path = leftover(tmp_path, where="0123abcd")
    remove_leftovers(tmp_path)
    assert path.exists()
    old = time.time() - UNTOUCHED_SECONDS - 60
    os.utime(path, (old, old))
    remove_leftovers(tmp_path)
    assert not path.exists()


@pytest.mark.parametrize(
    "name", ["data.2023.tmp", "a.tmp", "notes-1.tmp", "a.png.12-0123abcg.tmp", "a.12-0123abcd"]
)
def test_files_of_other_programs_stay(name, tmp_path):
    path = tmp_path / name
    path.write_text("mine", encoding="utf-8")
    os.utime(path, (0, 0))
    remove_leftovers(tmp_path)
    assert path.exists()


def test_a_link_is_no_leftover(tmp_path):
    target = tmp_path / "target"
    target.write_text("mine", encoding="utf-8")
    link = tmp_path / f"a.{dead_pid()}-{place()}.tmp"
    link.symlink_to(target)
    remove_leftovers(tmp_path)
    assert link.is_symlink()


def test_what_cannot_be_removed_stops_nothing(tmp_path, monkeypatch):
    first, second = leftover(tmp_path, "a"), leftover(tmp_path, "b")
    real = type(first).unlink

    def unlink(path, *args, **kwargs):
        if path == first:
            raise PermissionError(13, "in use")
        real(path, *args, **kwargs)

    monkeypatch.setattr(type(first), "unlink", unlink)
    remove_leftovers(tmp_path)
    assert first.exists()
    assert not second.exists()


def test_a_place_is_a_machine_or_a_container(monkeypatch):
    places = set()
    for node, namespace in [("one", "pid:[1]"), ("one", "pid:[2]"), ("two", "pid:[1]")]:
        monkeypatch.setattr("platform.node", lambda node=node: node)
        monkeypatch.setattr("os.readlink", lambda path, found=namespace: found)
        places.add(atomic_write.place.__wrapped__())
    assert len(places) == 3


def test_temporary_folders_of_killed_runs_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / f"unstride-abc.{dead_pid()}-{place()}.tmp"
    foreign = tmp_path / f"other-abc.{dead_pid()}-{place()}.tmp"
    for folder in (dead, foreign):
        folder.mkdir()
        (folder / "model.safetensors").write_text("half", encoding="utf-8")
    with temporary_folder() as first, temporary_folder() as second:
        assert first.is_dir()
        assert first != second
        assert not dead.exists()
        assert foreign.exists()
    assert not first.exists()


def test_text_is_utf8(tmp_path):
    atomic_write_text(tmp_path / "new" / "a.txt", "é")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "é".encode()
    assert len(list(tmp_path.rglob("*"))) == 2
