"""Prints what `unstride data check` found: tables of splits and classes, and the problems."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import track
from rich.table import Table

from unstride.datasets.check import SplitCheck

SHOWN_PROBLEMS = 20  # of each split


def tracked(indices: Iterable[int], description: str) -> Iterable[int]:
    """Show the progress through the images of a split, on a terminal."""
    console = Console(stderr=True)
    return track(
        indices, description, console=console, transient=True, disable=not console.is_terminal
    )


def print_report(checks: Sequence[SplitCheck]) -> None:
    """Print the splits, the classes and the problems.

    Args:
        checks: what was found in each split.
    """
    console = Console(highlight=False)
    present = [check for check in checks if not check.is_absent]
    console.print(_table_of_splits(present))
    if any(check.class_names for check in present):
        console.print(_table_of_classes([check for check in present if check.class_names]))
    for check in checks:
        lines = [f"{check.split}: {problem}" for problem in check.problems[:SHOWN_PROBLEMS]]
        if len(check.problems) > SHOWN_PROBLEMS:
            lines.append(f"{check.split}: and {len(check.problems) - SHOWN_PROBLEMS} more")
        lines += [f"{check.split}: note: {note}" for note in check.notes]
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)
    count = sum(len(check.problems) for check in checks)
    words = {0: "no problem was found", 1: "1 problem was found"}
    console.print(words.get(count, f"{count} problems were found"))


def _table_of_splits(checks: Sequence[SplitCheck]) -> Table:
    return _without_empty_columns(
        ("split", "images", "width x height", "labelled", "depth", "problems"),
        [
            (check.split, str(check.images), _sizes(check), _share(check.known), _depths(check),
             str(len(check.problems)))
            for check in checks
        ],
    )  # fmt: skip


def _table_of_classes(checks: Sequence[SplitCheck]) -> Table:
    kinds = "images", "objects", "pixels"
    return _without_empty_columns(
        ("class", *(f"{check.split}: {kind}" for check in checks for kind in kinds)),
        [
            (name, *(cell for check in checks for cell in _cells(check, name)))
            for name in dict.fromkeys(name for check in checks for name in check.class_names)
        ],
    )


def _without_empty_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    columns = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    table = Table()
    for i in columns:
        table.add_column(headings[i], justify="right" if i else "left")
    for row in rows:
        table.add_row(*(row[i] for i in columns))
    return table


def _cells(check: SplitCheck, name: str) -> tuple[str, str, str]:
    """Images, objects and share of the pixels of a class; empty where they are not counted."""
    if name not in check.classes:
        return "", "", ""
    count = check.classes[name]
    pixels = sum(c.pixels for c in check.classes.values())
    objects = sum(c.objects for c in check.classes.values())
    return (
        str(count.images),
        str(count.objects) if objects else "",
        f"{count.pixels / pixels:.2%}" if pixels else "",
    )


def _sizes(check: SplitCheck) -> str:
    if not check.sizes:
        return ""
    (low, _), (high, _) = min(check.sizes.items()), max(check.sizes.items())
    smallest, largest = (f"{width} x {height}" for height, width in (low, high))
    return smallest if low == high else f"{smallest} to {largest}"


def _share(shares: Sequence[float]) -> str:
    return f"{sum(shares) / len(shares):.1%}" if shares else ""


def _depths(check: SplitCheck) -> str:
    if not check.depths:
        return ""
    return f"{min(d[0] for d in check.depths):.3g} to {max(d[1] for d in check.depths):.3g} m"
