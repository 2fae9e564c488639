"""Progress callbacks: `progress(items, description)` yields the items and may show a bar."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

ProgressCallback = Callable[[Iterable, str], Iterable]


def no_progress(items: Iterable, description: str) -> Iterable:
    """Return the items and show nothing."""
    del description
    return items


@contextmanager
def progress_bars(console) -> Iterator[ProgressCallback]:
    """Yield a progress callback that shows a bar for each loop on a rich console."""
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bars:

        def progress(items: Iterable, description: str) -> Iterator:
            task = bars.add_task(description.replace("[", r"\["), total=len(items))  # type: ignore
            try:
                for item in items:
                    yield item
                    bars.advance(task)
            finally:
                bars.remove_task(task)

        yield progress
