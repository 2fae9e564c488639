"""Records how an image's files were made: finished images are skipped, all files or none appear.

OUT/records/NAME.json is written last. An image is done if its record says that its files were made
from the same image, with the same model and options, and the files are there.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unstride.formats.atomic_write import atomic_path
from unstride.formats.json import read_json

FOLDER = "records"
FileWriter = Callable[[Path], object]  # writes a file to a path


@dataclass
class Records:
    """The records in an output folder.

    Args:
        output_folder: folder of the results.
        entries: what a record must hold, such as "note".
    """

    output_folder: Path
    entries: set[str]

    def path(self, relative_stem: Path) -> Path:
        """The file of a record.

        Args:
            relative_stem: path of the image's output in the folder, without suffix.
        """
        return self.output_folder / FOLDER / f"{relative_stem}.json"

    def finished(self, relative_stem: Path, made_with: dict[str, Any]) -> dict[str, Any] | None:
        """The record of an image, if its files exist and were made with the same.

        Args:
            relative_stem: path of the image's output in the folder, without suffix.
            made_with: image, model and options, as text or numbers.
        """
        try:
            record = read_json(self.path(relative_stem))
        except (OSError, ValueError):
            return None
        if record.get("made_with") != made_with or not record.keys() >= self.entries:
            return None
        exist = all((self.output_folder / file).is_file() for file in record["files"])
        return record if exist else None

    def write(
        self, relative_stem: Path, writers: Mapping[Path, FileWriter], record: dict[str, Any]
    ) -> None:
        """Write an image's files and its record, all or none.

        Args:
            relative_stem: path of the image's output in the folder, without suffix.
            writers: what writes each file, by its path in the folder.
            record: the record. The paths are added to it, as `files`.
        """
        text = json.dumps(record | {"files": [str(file) for file in writers]})
        all_writers: dict[Path, FileWriter] = {
            self.path(relative_stem): lambda path: path.write_text(text, encoding="utf-8")
        }
        all_writers |= {self.output_folder / file: writer for file, writer in writers.items()}
        # The file that is opened last appears first, so that the record appears last.
        with ExitStack() as stack:
            opened = []
            for path, writer in all_writers.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                opened.append((stack.enter_context(atomic_path(path)), writer))
            for temporary_path, writer in opened:
                writer(temporary_path)
