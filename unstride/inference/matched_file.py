"""Finds what belongs to an image: one file for all, or in a folder the file of the same name."""

from pathlib import Path

from unstride.formats.images import IMAGE_SUFFIXES


def matched_file(path: Path, image_path: Path, kind: str) -> Path:
    """The file that belongs to an image.

    Args:
        path: a file for all images, or a folder.
        image_path: path of the image.
        kind: what the file is, for the error message.

    Raises:
        FileNotFoundError: if the folder has none, or several.
    """
    if not path.is_dir():
        return path
    name = "".join(f"[{c}]" if c in "[]*?" else c for c in image_path.stem)
    found = [
        file for file in sorted(path.glob(f"{name}.*")) if file.suffix.lower() in IMAGE_SUFFIXES
    ]
    if len(found) != 1:
        problem = f"no {kind}" if not found else f"{len(found)} {kind}s"
        raise FileNotFoundError(f"{path} has {problem} named {image_path.stem}")
    return found[0]
