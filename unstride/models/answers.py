"""What each kind of task network says of a photograph, as files and as something to look at.

An answer is a function of the network and the photograph; `ANSWERS` names it by the task of the
network's description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from unstride.data.coco_results import entries
from unstride.data.map_file import DEEPEST, write_classes, write_depth
from unstride.data.metric import at_size
from unstride.data.panoptic_file import Category, Segment, segment_infos, write_ids
from unstride.models.multi_task import MultiTask
from unstride.models.panoptic_deeplab import PanopticDeepLab
from unstride.models.task import LogDepth, Segmentation, SurfaceNormals, Task
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
class Model:
    """A task network and what is known of it.

    Args:
        network: in evaluation.
        described: its description; `classes` are names.
        score: that objects in the picture have at least, 0 to 1.
    """

    network: Any
    described: Mapping[str, Any]
    score: float = 0.5

    @property
    def classes(self) -> list[str]:
        """Names, in the order of the network's numbers."""
        return list(self.described.get("classes", []))

    @property
    def categories(self) -> list[Category]:
        """What numbers in JSON files stand for: the data set's, if the network knows them."""
        if self.described["task"] == "panoptic":
            things, stuff = self.network.classes
            kinds = [True] * len(things) + [False] * len(stuff)
            numbers = [*things, *stuff]
        else:
            numbers = self.described.get("categories") or [*range(1, len(self.classes) + 1)]
            kinds = [True] * len(self.classes)
        return [Category(*each) for each in zip(numbers, self.classes, kinds, strict=True)]


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


def answer(model: Model, image: Float[Tensor, "1 3 h w"]) -> Answer:
    """What the model says of a photograph, RGB in [0, 1]."""
    return ANSWERS[model.described["task"]](model, image)


def from_segmenter(model: Model, image: Float[Tensor, "1 3 h w"]) -> Answer:
    """Of a network that gives logits "1 n h w"."""
    return classes_answer(image[0], model.network(image)[0], model.classes)


def from_detector(model: Model, image: Float[Tensor, "1 3 h w"]) -> Answer:
    """Of a network that is called as torchvision's detectors are."""
    return objects_answer(image[0], model.network([image[0]])[0], model)


def from_panoptic(model: Model, image: Float[Tensor, "1 3 h w"]) -> Answer:
    """Of Panoptic-DeepLab, or of a network that gives a dictionary with `ids` and `segments`."""
    if isinstance(model.network, PanopticDeepLab):
        ids, segments = model.network.segments(image)[0]
    else:
        found = model.network([image[0]])[0]
        ids, segments = found["ids"], found["segments"]
    return segments_answer(image[0], ids, segments, model.categories)


def from_depth(model: Model, image: Float[Tensor, "1 3 h w"]) -> Answer:
    """Of a network that gives depth "1 h w"; learned from video without poses it has no unit."""
    known = model.described.get("model") != "monodepth" or model.described.get("known_motion")
    size = image.shape[2], image.shape[3]
    depth = at_size(model.network(at_trained(model, image))[:, None], size)[0, 0]
    return depth_answer(image[0], depth, "m" if known else "")


def at_trained(model: Model, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 H W"]:
    """The photograph at the size of those that taught, where all had one: depth depends on it."""
    return at_size(image, tuple(model.described.get("size") or image.shape[2:]))


def from_normals(model: Model, image: Float[Tensor, "1 3 h w"]) -> Answer:
    """Of a network that gives unit vectors "1 3 h w"."""
    return normals_answer(image[0], model.network(image)[0])


def from_several(model: Model, image: Float[Tensor, "1 3 h w"]) -> Answer:
    """Of `MultiTask`: the files of each task; its picture lies in a folder of its own."""
    network: MultiTask = model.network
    files: dict[str, Writer] = {}
    found, notes = {}, []
    size = image.shape[2], image.shape[3]
    for name, said in network(at_trained(model, image)).items():
        maps = said if said.ndim == 4 else said[:, None]
        whole = at_size(maps, size)[0].reshape(*said.shape[1:-2], *size)
        one = task_answer(network.tasks[name], image[0], whole, model.classes)
        files |= {f"pictures/{name}" if k == "pictures" else k: w for k, w in one.files.items()}
        found[name] = one.found
        notes += [one.note] if one.note else []
    return Answer(files, found, "; ".join(notes))


def task_answer(task: Task, image: Image, said: Tensor, classes: Sequence[str]) -> Answer:
    """Of one of the tasks of `models.task`.

    Raises:
        ValueError: if it is of another kind.
    """
    if isinstance(task, Segmentation):
        return classes_answer(image, said, classes)
    if isinstance(task, LogDepth):
        return depth_answer(image, said)
    if isinstance(task, SurfaceNormals):
        return normals_answer(image, normalize(said, dim=0))
    raise ValueError(f"{type(task).__name__}: there is no file for such a task")


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


def objects_answer(image: Image, found: Mapping[str, Tensor], model: Model) -> Answer:
    """All objects as COCO's results have them; those from the score up in the picture."""
    here = {
        name: found[name].cpu() for name in ("boxes", "labels", "scores", "masks") if name in found
    }
    numbers = [category.id for category in model.categories]
    good = here["scores"] >= model.score
    shown = {name: value[good] for name, value in here.items()}
    return Answer(
        {"pictures": picture(object_overlay(image.cpu(), shown, model.classes))},
        {"detections": list(entries(0, here, numbers))},
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


ANSWERS: dict[str, Callable[[Model, Tensor], Answer]] = {
    "segmentation": from_segmenter,
    "detection": from_detector,
    "panoptic": from_panoptic,
    "depth": from_depth,
    "normals": from_normals,
    "multitask": from_several,
}
