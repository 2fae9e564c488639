"""An answer of each kind, as files for other programs and as something to look at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from unstride.formats.coco_panoptic import write_segment_ids
from unstride.formats.coco_results import detection_records
from unstride.formats.labels import (
    MAX_DEPTH,
    write_depth,
    write_labels,
)
from unstride.formats.segments import (
    Category,
    Segment,
    segments_info,
)
from unstride.viz import (
    class_overlay,
    class_palette,
    depth_picture,
    detection_overlay,
    image_row,
    normal_colours,
    panoptic_overlay,
    save_png,
)

ImageTensor = Float[Tensor, "3 h w"]
FileWriter = Callable[[Path], Any]


@dataclass(frozen=True)
class ImageOutputs:
    """What is written.

    Args:
        files: what writes a PNG, by the folder it belongs to.
        found: what is said of the image as a whole, for JSON.
        note: what should be told, if anything.
    """

    files: dict[str, FileWriter]
    found: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def segmentation_outputs(
    image: ImageTensor, logits: Float[Tensor, "n h w"], classes: Sequence[str]
) -> ImageOutputs:
    """Class numbers in `classes`; found is the share of the pixels of each class that occurs."""
    labels = logits.argmax(0).cpu()
    share = labels.flatten().bincount(minlength=len(classes)) / labels.numel()
    return ImageOutputs(
        {
            "classes": partial(write_labels, labels=labels, colours=class_palette(classes)),
            "pictures": png_writer(class_overlay(image.cpu(), labels, classes)),
        },
        {"share": {name: round(float(s), 5) for name, s in zip(classes, share, strict=True) if s}},
    )


def detection_outputs(
    image: ImageTensor, found: Mapping[str, Tensor], categories: Sequence[Category], score: float
) -> ImageOutputs:
    """All objects as COCO's results have them; those from the score up in the picture."""
    here = {
        name: found[name].cpu() for name in ("boxes", "labels", "scores", "masks") if name in found
    }
    good = here["scores"] >= score
    shown = {name: value[good] for name, value in here.items()}
    return ImageOutputs(
        {
            "pictures": png_writer(
                detection_overlay(image.cpu(), shown, [c.name for c in categories])
            )
        },
        {"detections": list(detection_records(0, here, [c.id for c in categories]))},
    )


def panoptic_outputs(
    image: ImageTensor,
    ids: Int64[Tensor, "h w"],
    segments: Sequence[Segment],
    categories: Sequence[Category],
) -> ImageOutputs:
    """Segment ids in `panoptic`, found is what COCO's panoptic JSON says of them."""
    ids, place = ids.cpu(), {c.id: i for i, c in enumerate(categories)}
    classes_of = {s.id: place[s.category] for s in segments}
    names = [c.name for c in categories]
    return ImageOutputs(
        {
            "panoptic": partial(write_segment_ids, ids=ids),
            "pictures": png_writer(panoptic_overlay(image.cpu(), ids, classes_of, names)),
        },
        {"segments_info": segments_info(ids, segments)},
    )


def depth_outputs(image: ImageTensor, depth: Float[Tensor, "h w"], unit: str = "m") -> ImageOutputs:
    """Millimetres in `depth`; the picture is the photograph and the depth with its scale."""
    depth = depth.cpu()
    known = depth[(depth > 0) & depth.isfinite()]
    clipped = int((depth > MAX_DEPTH).sum())
    notes = [] if unit else ["depth has no unit; it is written as if it were metres"]
    if clipped:
        notes.append(f"{clipped} pixels are deeper than {MAX_DEPTH} m and written as that")
    return ImageOutputs(
        {
            "depth": partial(write_depth, depth=depth),
            "pictures": png_writer(image_row(image.cpu(), depth_picture(depth, unit=unit))),
        },
        {
            "nearest": round(float(known.min()), 3) if len(known) else None,
            "farthest": round(float(known.max()), 3) if len(known) else None,
            "clipped": clipped,
        },
        "; ".join(notes),
    )


def normals_outputs(image: ImageTensor, normals: Float[Tensor, "3 h w"]) -> ImageOutputs:
    """Colours in `normals`; the picture is the photograph and these."""
    colours = normal_colours(normals.cpu())
    return ImageOutputs(
        {
            "normals": png_writer(colours),
            "pictures": png_writer(image_row(image.cpu(), colours)),
        }
    )


def png_writer(pixels: Float[Tensor, "3 _ _"]) -> FileWriter:
    """What writes these pixels."""
    return partial(save_png, pixels)
