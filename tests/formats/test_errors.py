"""Every exception has one line to print, and every error about a file names it."""

import struct
import traceback

import pytest

from unstride.formats.errors import error_summary, first_line, naming_file


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text either")


class NoText(Exception):
    def __str__(self):
        return None


@pytest.mark.parametrize(
    ("error", "line", "summary"),
    [
        (ValueError("size must be odd"), "size must be odd", "size must be odd"),
        (ValueError("\n\n  one \ntwo"), "one", "one"),
        (ValueError(), "ValueError", "ValueError"),
        (ValueError(" \n "), "ValueError", "ValueError"),
        (OSError("no such file"), "no such file", "no such file"),
        (KeyError(), "KeyError", "KeyError"),
        (KeyError("name"), "'name'", "KeyError: 'name'"),
        (RuntimeError("CUDA error\nat 3"), "CUDA error", "RuntimeError: CUDA error"),
        (MemoryError(), "not enough memory", "not enough memory"),
        (Unprintable(), "Unprintable", "Unprintable"),
        (NoText(), "NoText", "NoText"),
        (AssertionError(), "AssertionError", "AssertionError"),
    ],
    ids=repr,
)
def test_an_exception_is_one_line(error, line, summary):
    assert (first_line(error), error_summary(error)) == (line, summary)


def told(path, error, *problem):
    with pytest.raises((ValueError, OSError)) as caught, naming_file(path, *problem):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (struct.error("unpack requires 4 bytes"), "damaged (unpack requires 4 bytes)"),
        (RuntimeError(), "damaged (RuntimeError)"),
        (SyntaxError("a\nb"), "damaged (a)"),
        (OSError("truncated"), "damaged (truncated)"),
        (PermissionError(13, "Permission denied", "x"), "cannot be read (Permission denied)"),
        (MemoryError(), "cannot be read (not enough memory)"),
        (ValueError("label 3 is unknown"), "damaged (label 3 is unknown)"),
    ],
    ids=repr,
)
def test_what_a_reader_raises_is_a_sentence_with_the_path(error, expected, tmp_path):
    found = told(tmp_path / "a.png", error, "damaged")
    assert type(found) is ValueError
    assert str(found) == f"{tmp_path / 'a.png'}: {expected}"


def test_a_path_is_named_once(tmp_path):
    path = tmp_path / "a.json"
    error = ValueError(f"{path}: no categories")
    assert told(path, error) is told(path, error, "damaged") is error


def test_errors_of_the_system_keep_their_kind_where_nothing_is_read(tmp_path):
    error = OSError("weights could not be downloaded")
    assert told(tmp_path, error) is error
    assert str(told(tmp_path, TypeError("got 3"))) == f"{tmp_path}: got 3"
    missing = FileNotFoundError(2, "No such file")
    assert told(tmp_path, missing, "damaged") is missing


def test_the_cause_is_kept_for_whoever_looks_for_it(tmp_path):
    cause = RuntimeError("deep inside")
    assert "deep inside" in "".join(traceback.format_exception(told(tmp_path, cause, "damaged")))


def test_ctrl_c_is_no_error_of_a_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), naming_file(tmp_path, "damaged"):
        raise KeyboardInterrupt
