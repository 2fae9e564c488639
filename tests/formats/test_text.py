"""Text files are read as UTF-8 on every system, and anything else is refused with its name."""

import pytest

from unstride.formats.text import read_lines


def test_lines_without_empty_ones_and_without_the_space_around_them(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("  haus.png 1\r\n\n\tbär.png 2 \n   \n".encode())
    assert read_lines(path) == ["haus.png 1", "bär.png 2"]


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xef\xbb\xbfbear.png 2\n")
    assert read_lines(path) == ["bear.png 2"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_refused_with_the_file(encoding, tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("bär.png 2\n".encode(encoding))
    with pytest.raises(ValueError, match=r"names\.txt: not a text file in UTF-8 "):
        read_lines(path)


def test_text_is_read_whatever_the_locale(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "a.txt").write_bytes("bücher/1.png 3\n".encode())
    assert read_lines(tmp_path / "a.txt") == ["bücher/1.png 3"]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        read_lines(tmp_path / "missing.txt")
