"""One job for many images: resumable, whole files only, one bad image spoils nothing."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from unstride.formats.images import find_images

if TYPE_CHECKING:
    from rich.progress import Progress

EXIT_INTERRUPTED = 130  # the exit code of what Ctrl-C ended
RequestedSize = tuple[int, int] | int | None


class ImageJob(ABC):
    """What is done with each image."""

    @abstractmethod
    def one(self, path: Path, target: Path, progress: Progress) -> str | None:
        """Do one image, unless it is done; what should be said of it, if anything.

        Args:
            path: of the image.
            target: of the result, without suffix.
            progress: for a bar of its own.
        """

    def finish(self, done: list[tuple[Path, Path]]) -> None:
        """After all, with the paths and targets of those that are done; by default nothing."""
        del done


def run_batch(command: str, images: list[str], out: Path, prepare: Callable[[], ImageJob]) -> int:
    """Do a job for each image; 1 if any could not be done, which are named at the end.

    Ctrl-C ends it after what is done; then STOPPED is returned.

    Args:
        command: of `unstride`, for messages.
        images: files, folders or globs.
        out: folder of the results.
        prepare: makes the job, once the images are found.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    try:
        paths = find_images(images, without=out)
        job = prepare()
    except (ValueError, OSError, RuntimeError) as error:
        console.print(f"unstride {command}: {error}", style="red", highlight=False, soft_wrap=True)
        return 1
    columns = (
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:],
        MofNCompleteColumn(),
    )
    done, failed, said, stopped = [], [], [], False
    with Progress(*columns, console=console) as progress:
        pairs = list(zip(paths, _output_stems(paths, out), strict=True))
        for path, target in progress.track(pairs, description=command):
            try:
                note = job.one(path, target, progress)
                done.append((path, target))
                said += [f"{path}: {note}"] if note else []
            except (ValueError, OSError, MemoryError, RuntimeError) as error:
                failed.append(f"{path}: {str(error).removeprefix(f'{path}: ').splitlines()[0]}")
            except KeyboardInterrupt:
                stopped = True
                break
    try:
        job.finish(done)
    except OSError as error:
        failed.append(str(error))
    for line in said:
        console.print(line, highlight=False, soft_wrap=True)
    for line in failed:
        console.print(f"not done: {line}", style="red", highlight=False, soft_wrap=True)
    console.print(f"{len(done)} of {len(paths)} images are in {out}/", highlight=False)
    if stopped:
        console.print("stopped; the same command goes on", highlight=False)
        return EXIT_INTERRUPTED
    return 1 if failed else 0


def parse_size(text: str | None) -> RequestedSize:
    """ "480x640" is a size, "480" a shorter side, nothing the image's own.

    Raises:
        ValueError: if it is none of these.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", str(text)):
        height, width = match.groups()
        return int(height) if width is None else (int(height), int(width))
    raise ValueError(f"size must be HEIGHTxWIDTH or one number of pixels, got {text!r}")


def output_size(image: Tensor, wanted: RequestedSize) -> tuple[int, int]:
    """The size of the result for this image."""
    h, w = image.shape[2:]
    if wanted is None:
        return h, w
    if isinstance(wanted, int):
        shorter = min(h, w)
        return max(round(h * wanted / shorter), 1), max(round(w * wanted / shorter), 1)
    return wanted


def _output_stems(paths: list[Path], out: Path) -> list[Path]:
    """Where each result goes, without suffix: by its name alone, if that tells all apart."""
    root = Path(os.path.commonpath([p.resolve().parent for p in paths]))
    below = [p.resolve().relative_to(root) for p in paths]
    for named in ([Path(p.stem) for p in paths], [p.with_suffix("") for p in below], below):
        if len(set(named)) == len(named):
            return [out / name for name in named]
    raise AssertionError("find_images names each file once")
