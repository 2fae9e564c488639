"""Reads Pascal VOC's annotations: an XML file for each image, with named boxes.

Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010. Its pixels count from 1,
and a box includes its last pixel: xmin 1 and xmax 3 are the columns [0, 3) here.
"""

from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser, fromstring

from unstride.formats.errors import naming_file
from unstride.formats.numbers import checked_numbers

MAX_BYTES = 10_000_000  # of a file; one with a thousand boxes has a fiftieth of it

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


class NamedBox(NamedTuple):
    """An object: its class's name, its box, and whether scores ignore it as difficult."""

    name: str
    box: Box
    is_difficult: bool


class VOCAnnotation(NamedTuple):
    """The objects of an image, and its (height, width) or None if the file does not say it."""

    size: tuple[int, int] | None
    objects: list[NamedBox]


class _PlainTree(TreeBuilder):
    """Refuses document types, whose entities can stand for any amount of text."""

    def doctype(self, *_: Any) -> None:
        """Refuse it."""
        raise ValueError("document types are not read")


def read_voc_xml(path: Path) -> VOCAnnotation:
    """Read the objects in an annotation file.

    Raises:
        ValueError: if the file is not such XML, larger than MAX_BYTES, has a document type, or a
            box whose ends are not in order.
        FileNotFoundError: if there is no such file.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: must have at most {MAX_BYTES} bytes, got {size}")
    with naming_file(path, "not valid XML"):
        root = fromstring(path.read_bytes(), parser=XMLParser(target=_PlainTree()))
    if root.tag != "annotation":
        raise ValueError(f"{path}: expected an element 'annotation', got {root.tag!r:.60}")
    return VOCAnnotation(
        _size(path, root), [_named_box(path, element) for element in root.iterfind("object")]
    )


def _size(path: Path, root: Element) -> tuple[int, int] | None:
    """The size of the image; None if there is none, or zeros as some programs write them."""
    texts = [root.findtext(f"size/{name}") for name in ("height", "width")]
    if None in texts:
        return None
    height, width = checked_numbers(path, texts)
    return (int(height), int(width)) if height > 0 and width > 0 else None


def _named_box(path: Path, element: Element) -> NamedBox:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError(f"{path}: an object has no name")
    texts = [element.findtext(f"bndbox/{end}") for end in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = checked_numbers(path, texts)
    if right < left or bottom < top:
        raise ValueError(
            f"{path}: the box of {name!r:.60} must have its ends in order, got columns {left:g} to "
            f"{right:g} and rows {top:g} to {bottom:g}"
        )
    is_difficult = (element.findtext("difficult") or "0").strip() == "1"
    return NamedBox(name, (left - 1, top - 1, right, bottom), is_difficult)
