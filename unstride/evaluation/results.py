"""Results on disk: one JSON file for each measure, row and seed, whole or not at all."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from unstride.formats.atomic_write import atomic_write_text


class ResultStore:
    """The finished results in a folder, found again by everything that they depend on.

    Args:
        folder: made with the first result.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def load(self, options: dict[str, Any]) -> dict[str, Any] | None:
        """The result with these options, or None if it is not there or not readable."""
        try:
            found = json.loads(self.path(options).read_text())
        except (OSError, ValueError):
            return None
        same = isinstance(found, dict) and found.get("options") == as_json(options)
        return found if same else None

    def save(
        self, options: dict[str, Any], values: dict[str, float], seconds: float
    ) -> dict[str, Any]:
        """Write a result, and return it as `load` will."""
        result = {"values": values, "seconds": round(seconds, 1), "options": as_json(options)}
        atomic_write_text(self.path(options), json.dumps(result, indent=1))
        return result

    def path(self, options: dict[str, Any]) -> Path:
        """MEASURE.DATASET.ROW.SEED.DIGEST.json; options that differ have files that differ."""
        text = json.dumps(as_json(options), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        words = (str(options[k]) for k in ("measure", "dataset", "row", "seed"))
        name = ".".join(re.sub(r"[^\w=-]+", "_", word)[:60] for word in words)
        return self.folder / f"{name}.{digest}.json"


def as_json(options: dict[str, Any]) -> dict[str, Any]:
    """The options as they come back from a file."""
    return json.loads(json.dumps(options, default=str))
