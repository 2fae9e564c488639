"""Draws the predictions of several networks at boundaries in a few photographs."""

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


def save_boundary_figure(
    models: Mapping[str, Path],
    dataset: SegmentationDataset,
    path: Path,
    shown: Sequence[str] = SHOWN_OPERATORS,
) -> None:
    """Draw windows of photographs spread over the split, where their labels have most edges.

    The photographs themselves are not ours to show. The picture shows each network's classes,
    black where they are wrong.

    Args:
        models: folders of the networks, by name.
        dataset: labelled photographs.
        path: path of the JPEG.
        shown: names of the networks to draw.
    """
    networks = {name: read_task(models[name])[0] for name in shown if name in models}
    rows, shown_labels = [], []
    subset = evenly_spaced_subset(dataset, NUM_IMAGES)
    for image, labels in (subset[i] for i in range(NUM_IMAGES)):
        window = busiest_window(labels)
        with torch.no_grad():
            predictions = {name: net(image[None]).argmax(1)[0] for name, net in networks.items()}
        shown_labels += [predicted[window] for predicted in predictions.values()]
        pictures = [
            (name, class_picture(predicted[window], labels[window], dataset.classes)[None])
            for name, predicted in predictions.items()
        ]
        rows.append(captioned_row(pictures, height=2 * WINDOW_SIZE[0]))
    save_jpeg(with_legend(torch.cat(rows, 1), class_legend(shown_labels, dataset.classes)), path)


def class_picture(predicted: Tensor, labels: Tensor, classes: Sequence[str]) -> Tensor:
    """Draw the predicted classes in their colours, black where they are wrong."""
    white = torch.ones(3, *predicted.shape)
    picture = blend_labels(white, predicted, class_palette(classes), opacity=1.0)
    wrong = (predicted != labels) & (labels != UNLABELLED)
    return torch.where(wrong, 0.0, picture)


def busiest_window(labels: Tensor) -> tuple[slice, slice]:
    """The window in which most pixels have a neighbour of another class."""
    h, w = WINDOW_SIZE
    count = label_boundaries(labels)[None].double().cumsum(1).cumsum(2)
    count = torch.nn.functional.pad(count, (1, 0, 1, 0))[0]
    sums = count[h:, w:] - count[:-h, w:] - count[h:, :-w] + count[:-h, :-w]
    top, left = divmod(int(sums.argmax()), sums.shape[1])
    return slice(top, top + h), slice(left, left + w)
