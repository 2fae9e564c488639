"""An answer of each kind, as files for other programs and as something to look at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from unstride.formats.coco_panoptic import write_ids
from unstride.formats.coco_results import entries
from unstride.formats.labels import (
    DEEPEST,
    write_classes,
    write_depth,
)
from unstride.formats.segments import (
    Category,
    Segment,
    segment_infos,
)
from unstride.viz import (
    beside,
    class_overlay,
    depth_picture,
    normal_colours,
    object_overlay,
    palette,
    panoptic_overlay,
    save_png,
)

Image = Float[Tensor, "3 h w"]
Writer = Callable[[Path], Any]


@dataclass(frozen=True)
class Answer:
    """What is written.

    Args:
        files: what writes a PNG, by the folder it belongs to.
        found: what is said of the image as a whole, for JSON.
        note: what should be told, if anything.
    """

    files: dict[str, Writer]
    found: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def classes_answer(image: Image, logits: Float[Tensor, "n h w"], classes: Sequence[str]) -> Answer:
    """Class numbers in `classes`; found is the share of the pixels of each class that occurs."""
    labels = logits.argmax(0).cpu()
    share = labels.flatten().bincount(minlength=len(classes)) / labels.numel()
    return Answer(
        {
            "classes": partial(write_classes, labels=labels, colours=palette(classes)),
            "pictures": picture(class_overlay(image.cpu(), labels, classes)),
        },
        {"share": {name: round(float(s), 5) for name, s in zip(classes, share, strict=True) if s}},
    )


def objects_answer(
    image: Image, found: Mapping[str, Tensor], categories: Sequence[Category], score: float
) -> Answer:
    """All objects as COCO's results have them; those from the score up in the picture."""
    here = {
        name: found[name].cpu() for name in ("boxes", "labels", "scores", "masks") if name in found
    }
    good = here["scores"] >= score
    shown = {name: value[good] for name, value in here.items()}
    return Answer(
        {"pictures": picture(object_overlay(image.cpu(), shown, [c.name for c in categories]))},
        {"detections": list(entries(0, here, [c.id for c in categories]))},
    )


def segments_answer(
    image: Image,
    ids: Int64[Tensor, "h w"],
    segments: Sequence[Segment],
    categories: Sequence[Category],
) -> Answer:
    """Segment ids in `panoptic`, found is what COCO's panoptic JSON says of them."""
    ids, place = ids.cpu(), {c.id: i for i, c in enumerate(categories)}
    classes_of = {s.id: place[s.category] for s in segments}
    names = [c.name for c in categories]
    return Answer(
        {
            "panoptic": partial(write_ids, ids=ids),
            "pictures": picture(panoptic_overlay(image.cpu(), ids, classes_of, names)),
        },
        {"segments_info": segment_infos(ids, segments)},
    )


def depth_answer(image: Image, depth: Float[Tensor, "h w"], unit: str = "m") -> Answer:
    """Millimetres in `depth`; the picture is the photograph and the depth with its scale."""
    depth = depth.cpu()
    known = depth[(depth > 0) & depth.isfinite()]
    clipped = int((depth > DEEPEST).sum())
    notes = [] if unit else ["depth has no unit; it is written as if it were metres"]
    if clipped:
        notes.append(f"{clipped} pixels are deeper than {DEEPEST} m and written as that")
    return Answer(
        {
            "depth": partial(write_depth, depth=depth),
            "pictures": picture(beside(image.cpu(), depth_picture(depth, unit=unit))),
        },
        {
            "nearest": round(float(known.min()), 3) if len(known) else None,
            "farthest": round(float(known.max()), 3) if len(known) else None,
            "clipped": clipped,
        },
        "; ".join(notes),
    )


def normals_answer(image: Image, normals: Float[Tensor, "3 h w"]) -> Answer:
    """Colours in `normals`; the picture is the photograph and these."""
    colours = normal_colours(normals.cpu())
    return Answer(
        {
            "normals": picture(colours),
            "pictures": picture(beside(image.cpu(), colours)),
        }
    )


def picture(pixels: Float[Tensor, "3 _ _"]) -> Writer:
    """What writes these pixels."""
    return partial(save_png, pixels)
