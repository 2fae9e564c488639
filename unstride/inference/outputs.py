"""Turns predictions into output files: data for other programs, and a picture to look at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from unstride.formats.coco_panoptic import write_segment_ids
from unstride.formats.coco_results import detection_records
from unstride.formats.labels import MAX_DEPTH, write_depth, write_labels
from unstride.formats.segments import Category, Segment, segments_info
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
    """What is written for one image.

    Args:
        writers: functions that write a PNG, by the folder it belongs to.
        summary: results for the image as a whole, for JSON.
        note: a note to print, or "".
    """

    writers: dict[str, FileWriter]
    summary: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def segmentation_outputs(
    image: ImageTensor, logits: Float[Tensor, "n h w"], class_names: Sequence[str]
) -> ImageOutputs:
    """Write labels to `classes`; the summary is the share of the pixels of each class present."""
    labels = logits.argmax(0).cpu()
    shares = labels.flatten().bincount(minlength=len(class_names)) / labels.numel()
    named = zip(class_names, shares, strict=True)
    return ImageOutputs(
        {
            "classes": partial(write_labels, labels=labels, colours=class_palette(class_names)),
            "pictures": png_writer(class_overlay(image.cpu(), labels, class_names)),
        },
        {"share": {name: round(float(share), 5) for name, share in named if share}},
    )


def detection_outputs(
    image: ImageTensor,
    detections: Mapping[str, Tensor],
    categories: Sequence[Category],
    min_score: float,
) -> ImageOutputs:
    """Summarise all detections in COCO's results format; draw those of at least `min_score`."""
    names = [name for name in ("boxes", "labels", "scores", "masks") if name in detections]
    on_cpu = {name: detections[name].cpu() for name in names}
    is_shown = on_cpu["scores"] >= min_score
    shown = {name: value[is_shown] for name, value in on_cpu.items()}
    picture = detection_overlay(image.cpu(), shown, [c.name for c in categories])
    return ImageOutputs(
        {"pictures": png_writer(picture)},
        {"detections": list(detection_records(0, on_cpu, [c.id for c in categories]))},
    )


def panoptic_outputs(
    image: ImageTensor,
    ids: Int64[Tensor, "h w"],
    segments: Sequence[Segment],
    categories: Sequence[Category],
) -> ImageOutputs:
    """Write segment ids to `panoptic`; the summary is their `segments_info` in COCO's format."""
    ids, class_indices = ids.cpu(), {c.id: i for i, c in enumerate(categories)}
    segment_classes = {s.id: class_indices[s.category_id] for s in segments}
    class_names = [c.name for c in categories]
    picture = panoptic_overlay(image.cpu(), ids, segment_classes, class_names)
    return ImageOutputs(
        {"panoptic": partial(write_segment_ids, ids=ids), "pictures": png_writer(picture)},
        {"segments_info": segments_info(ids, segments)},
    )


def depth_outputs(image: ImageTensor, depth: Float[Tensor, "h w"], unit: str = "m") -> ImageOutputs:
    """Write millimetres to `depth`; the picture is the image and the depth with a colour bar."""
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
    """Write colours to `normals`; the picture is the image and these colours."""
    colours = normal_colours(normals.cpu())
    return ImageOutputs(
        {
            "normals": png_writer(colours),
            "pictures": png_writer(image_row(image.cpu(), colours)),
        }
    )


def png_writer(pixels: Float[Tensor, "3 _ _"]) -> FileWriter:
    """A function that writes these pixels to a path."""
    return partial(save_png, pixels)
