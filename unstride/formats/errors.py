"""Texts of exceptions in one line, and errors about files that name the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SELF_EXPLANATORY = ValueError, OSError, MemoryError  # their messages are sentences for users


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or the name of its type if it has no message."""
    try:
        lines = [line.strip() for line in str(error).splitlines()]
    except Exception:  # the __str__ of somebody else's exception may fail too
        lines = []
    without_message = "not enough memory" if isinstance(error, MemoryError) else ""
    return next(filter(None, lines), without_message or type(error).__name__)


def error_summary(error: BaseException) -> str:
    """The first line of an exception's message, after the name of a type that needs explanation."""
    line, type_name = first_line(error), type(error).__name__
    if isinstance(error, SELF_EXPLANATORY) or line == type_name:
        return line
    return f"{type_name}: {line}"


@contextmanager
def naming_file(path: Path, problem: str = "") -> Iterator[None]:
    """Turn what is raised inside into a ValueError of one sentence that starts with the path.

    Errors that start with the path already are left as they are.

    Args:
        path: the file that is read.
        problem: what any error means, such as "damaged"; its text follows in brackets. Default:
            the errors' own texts, and OSErrors are left as they are.
    """
    try:
        yield
    except Exception as error:
        is_clear = isinstance(error, FileNotFoundError if problem else OSError)
        if is_clear or _names_file(error, path):
            raise
        raise ValueError(f"{path}: {_reason(error, problem)}") from error


def _names_file(error: Exception, path: Path) -> bool:
    return isinstance(error, ValueError | OSError) and first_line(error).startswith(f"{path}: ")


def _reason(error: Exception, problem: str) -> str:
    if isinstance(error, MemoryError):
        return "cannot be read (not enough memory)"
    if isinstance(error, OSError) and error.strerror:  # of the system, such as missing permission
        return f"cannot be read ({error.strerror})"
    return f"{problem} ({first_line(error)})" if problem else first_line(error)
