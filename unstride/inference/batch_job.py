"""Runs one job over many images: resumable, whole files only, errors confined to their image."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from unstride.formats.atomic_write import remove_leftovers
from unstride.formats.errors import error_summary
from unstride.formats.images import find_images

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

EXIT_INTERRUPTED = 130  # exit code after Ctrl-C
RequestedSize = tuple[int, int] | int | None


class ImageJob(ABC):
    """What is done with each image."""

    @abstractmethod
    def run(self, image_path: Path, output_stem: Path, progress: Progress) -> str | None:
        """Process one image, unless its output is up to date; return a note to print, if any.

        Args:
            image_path: path of the image.
            output_stem: path of the output, without suffix.
            progress: display to which the job can add bars.
        """

    def finish(self, finished: list[tuple[Path, Path]]) -> None:
        """Called once at the end. Default: does nothing.

        Args:
            finished: image path and output stem of each image that was processed.
        """
        del finished


@dataclass
class BatchResult:
    """What became of the images of a batch.

    Args:
        finished: image path and output stem of each image that was processed.
        failures: a line for each image that could not be processed.
        notes: a line for each note of the job.
        is_interrupted: whether Ctrl-C ended the batch.
    """

    finished: list[tuple[Path, Path]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_interrupted: bool = False


def run_batch(
    command: str, images: list[str], output_folder: Path, make_job: Callable[[], ImageJob]
) -> int:
    """Run a job over images; return 1 if any failed. Failures are printed at the end.

    After Ctrl-C, what was finished stays, and EXIT_INTERRUPTED is returned.

    Args:
        command: subcommand of `unstride`, for messages.
        images: files, folders or globs.
        output_folder: folder of the results.
        make_job: creates the job; called once the images are found.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    try:
        paths = find_images(images, exclude=output_folder)
        job = make_job()
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        line = f"unstride {command}: {error_summary(error)}"
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
        return 1
    remove_leftovers(output_folder)
    columns = (
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:],
        MofNCompleteColumn(),
    )
    with Progress(*columns, console=console) as progress:
        pairs = list(zip(paths, _output_stems(paths, output_folder), strict=True))
        result = _run_all(job, progress.track(pairs, description=command), progress)
    try:
        job.finish(result.finished)
    except Exception as error:  # what is done for each image stays
        result.failures.append(error_summary(error))
    _print_result(console, result)
    count = f"{len(result.finished)} of {len(paths)} images are in {output_folder}/"
    console.print(count, highlight=False, markup=False)
    if result.is_interrupted:
        console.print("interrupted; run the same command again to continue", highlight=False)
        return EXIT_INTERRUPTED
    return 1 if result.failures else 0


def _run_all(job: ImageJob, pairs: Iterable[tuple[Path, Path]], progress: Progress) -> BatchResult:
    """Run the job on pairs of an image path and an output stem, until the end or Ctrl-C."""
    result = BatchResult()
    for path, output_stem in pairs:
        try:
            note = job.run(path, output_stem, progress)
            result.finished.append((path, output_stem))
            if note:
                result.notes.append(f"{path}: {note}")
        except Exception as error:  # whatever it is, it costs this image only
            reason = error_summary(error).removeprefix(f"{path}: ")
            result.failures.append(f"{path}: {reason}")
        except KeyboardInterrupt:
            result.is_interrupted = True
            break
    return result


def _print_result(console: Console, result: BatchResult) -> None:
    for line in result.notes:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in result.failures:
        console.print(f"failed: {line}", style="red", highlight=False, markup=False, soft_wrap=True)


def parse_size(text: str | None) -> RequestedSize:
    """Parse "480x640" as a size and "480" as a shorter side; None is the image's own size.

    Raises:
        ValueError: if the text is neither.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", str(text)):
        height, width = match.groups()
        return int(height) if width is None else (int(height), int(width))
    raise ValueError(f"size must be HEIGHTxWIDTH or one number of pixels, got {text!r}")


def output_size(image: Tensor, requested_size: RequestedSize) -> tuple[int, int]:
    """Rows and columns of the result for an image."""
    h, w = image.shape[2:]
    if requested_size is None:
        return h, w
    if isinstance(requested_size, int):
        shorter = min(h, w)
        height, width = (round(side * requested_size / shorter) for side in (h, w))
        return max(height, 1), max(width, 1)
    return requested_size


def _output_stems(paths: list[Path], output_folder: Path) -> list[Path]:
    """Output path of each image, without suffix: only its name, if that is unambiguous.

    Otherwise its path below the folder that all images have in common, and as a last resort with
    the image's suffix.
    """
    root = Path(os.path.commonpath([p.resolve().parent for p in paths]))
    relative = [p.resolve().relative_to(root) for p in paths]
    for stems in ([Path(p.stem) for p in paths], [p.with_suffix("") for p in relative], relative):
        if len(set(stems)) == len(stems):
            return [output_folder / stem for stem in stems]
    raise AssertionError("find_images returns each file once")
