"""Text files: UTF-8, and a sentence for anything else."""

import pytest

from unstride.formats.text import read_text


def test_text_is_read_whatever_the_locale(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "a.txt").write_bytes("bücher/1.png 3\n".encode())
    assert read_text(tmp_path / "a.txt") == "bücher/1.png 3\n"


def test_what_is_no_text_is_named(tmp_path):
    path = tmp_path / "poses.txt"
    path.write_bytes(b"1 2 3\xff\xfe")
    with pytest.raises(ValueError, match=r"poses\.txt: not a text file in UTF-8 \('utf-8'"):
        read_text(path)
    with pytest.raises(FileNotFoundError, match="missing"):
        read_text(tmp_path / "missing.txt")
