"""What networks with several operators see at the boundaries of a few photographs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gallery import save_jpeg
from unstride.datasets.base import SegmentationDataset, evenly_spaced_subset
from unstride.formats.labels import UNLABELLED
from unstride.models.task_network import read_task
from unstride.viz import captioned_row
from unstride.viz.classes import class_legend
from unstride.viz.label_overlay import blend_labels, label_boundaries
from unstride.viz.legend import with_legend
from unstride.viz.palette import class_palette

NUM_IMAGES = 3
WINDOW_SIZE = (120, 160)  # rows and columns of a photograph that are shown
SHOWN_OPERATORS = ("nearest", "bilinear", "carafe", "sapa", "fade", "dysample")


def save_boundary_figure(models: Mapping[str, Path], test: SegmentationDataset, path: Path) -> None:
    """A picture: parts of photographs spread over the split, where their labels have most edges.

    The photographs themselves are not ours to show: each network's classes, black where wrong.

    Args:
        models: folders of the networks, by operator.
        test: labelled photographs.
        path: of the JPEG.
    """
    networks = {name: read_task(models[name])[0] for name in SHOWN_OPERATORS if name in models}
    rows, seen = [], []
    chosen = evenly_spaced_subset(test, NUM_IMAGES)
    for image, labels in (chosen[i] for i in range(NUM_IMAGES)):
        window = busiest_window(labels)
        with torch.no_grad():
            maps = {name: net(image[None]).argmax(1)[0] for name, net in networks.items()}
        seen += [found[window] for found in maps.values()]
        shown = [
            (name, class_picture(found[window], labels[window], test.classes)[None])
            for name, found in maps.items()
        ]
        rows.append(captioned_row(shown, height=2 * WINDOW_SIZE[0]))
    save_jpeg(with_legend(torch.cat(rows, 1), class_legend(seen, test.classes)), path)


def class_picture(found: Tensor, truth: Tensor, classes: Sequence[str]) -> Tensor:
    """The colours of classes, black where they are wrong."""
    picture = blend_labels(torch.ones(3, *found.shape), found, class_palette(classes), opacity=1.0)
    wrong = (found != truth) & (truth != UNLABELLED)
    return torch.where(wrong, 0.0, picture)


def busiest_window(labels: Tensor) -> tuple[slice, slice]:
    """The window in which the most pixels have another class beside them."""
    h, w = WINDOW_SIZE
    count = label_boundaries(labels)[None].double().cumsum(1).cumsum(2)
    count = torch.nn.functional.pad(count, (1, 0, 1, 0))[0]
    inside = count[h:, w:] - count[:-h, w:] - count[h:, :-w] + count[:-h, :-w]
    top, left = divmod(int(inside.argmax()), inside.shape[1])
    return slice(top, top + h), slice(left, left + w)
