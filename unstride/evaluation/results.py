"""Stores results on disk: one JSON file for each measure, candidate and seed."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from unstride.formats.atomic_write import atomic_write_text
from unstride.formats.json import read_json


class ResultStore:
    """The finished results in a folder, each found by a key of everything it depends on.

    A file is written completely or not at all.

    Args:
        folder: folder of the results. Created with the first result.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def load(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """Load the result with this key, or return None if it is missing or not readable."""
        try:
            result = read_json(self.result_path(key))
        except (OSError, ValueError):
            return None
        return result if result.get("options") == as_json(key) else None

    def save(self, key: dict[str, Any], values: dict[str, float], seconds: float) -> dict[str, Any]:
        """Write a result, and return it as `load` will."""
        result = {"values": values, "seconds": round(seconds, 1), "options": as_json(key)}
        atomic_write_text(self.result_path(key), json.dumps(result, indent=1))
        return result

    def result_path(self, key: dict[str, Any]) -> Path:
        """MEASURE.DATASET.ROW.SEED.DIGEST.json; different keys have different files."""
        text = json.dumps(as_json(key), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        parts = (str(key[name]) for name in ("measure", "dataset", "row", "seed"))
        name = ".".join(re.sub(r"[^\w=-]+", "_", part)[:60] for part in parts)
        return self.folder / f"{name}.{digest}.json"


def as_json(key: dict[str, Any]) -> dict[str, Any]:
    """Return a key as it comes back from a file."""
    return json.loads(json.dumps(key, default=str))
