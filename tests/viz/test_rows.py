"""Pictures are small enough for viewers and memory, whatever the shape of the image."""

import pytest
import torch

from unstride.formats.labels import UNLABELLED
from unstride.viz import (
    captioned_row,
    class_overlay,
    depth_comparison,
    depth_picture,
    detection_overlay,
    image_row,
    panoptic_overlay,
    segmentation_comparison,
)
from unstride.viz.footprint import draw_footprint, footprint_box
from unstride.viz.legend import LegendEntry, with_legend
from unstride.viz.picture_size import MAX_SIDE, bounded_picture, fitted_size
from unstride.viz.rows import stack_with_captions

# Height and width. The first is not so long that a mistake takes all memory.
SIZES = [(1, 60), (60, 1), (1, 1), (2, 4000), (1, 30_000), (30_000, 1)]
NAMES = ["road", "sky"]


def draw_captioned_row(image, labels):
    return captioned_row([(name, image[None]) for name in ("image", "features", "result")])


def draw_detections(image, labels):
    box = torch.tensor([[0.0, 0.0, image.shape[2], image.shape[1]]])
    objects = {"boxes": box, "labels": torch.tensor([1]), "scores": torch.ones(1)}
    return detection_overlay(image, objects, NAMES)


def draw_footprints(image, labels):
    weights = torch.full([max(side // 32, 1) for side in image.shape[1:]], 0.1)
    box = footprint_box(weights, (32.0, 32.0), (0.5, 0.5))
    views = [
        draw_footprint(image[None], weights, (32.0, 32.0), (0.5, 0.5), box=b) for b in (None, box)
    ]
    row = captioned_row([("all", views[0]), ("closer", views[1])], 400)
    return stack_with_captions([("one", row), ("two", row)])


PICTURES = {
    "captioned row": draw_captioned_row,
    "row": lambda image, labels: image_row(image, image),
    "stack": lambda image, labels: stack_with_captions([("a", image), ("b", image)]),
    "classes": lambda image, labels: class_overlay(image, labels, NAMES),
    "comparison": lambda image, labels: segmentation_comparison(image, labels, labels, NAMES),
    "depth": lambda image, labels: depth_picture(image[0] + 1),
    "depths": lambda image, labels: depth_comparison(image, image[0] + 1, image[0] + 1),
    "detections": draw_detections,
    "segments": lambda image, labels: panoptic_overlay(image, labels, {0: 0, 1: 1}, NAMES),
    "footprints": draw_footprints,
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", PICTURES)
def test_no_side_of_any_picture_is_too_long(kind, size):
    labels = torch.arange(size[0] * size[1]).view(size) % 2
    picture = PICTURES[kind](torch.rand(3, *size), labels)
    assert picture.shape[0] == 3
    assert min(picture.shape[1:]) >= 1
    assert max(picture.shape[1:]) <= MAX_SIDE
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_usual_pictures_have_the_sizes_that_were_asked_for():
    image = torch.rand(3, 480, 640)
    assert captioned_row([("a", image[None])] * 2, 240, gap=10).shape == (3, 260, 2 * 320 + 10)
    assert torch.equal(image_row(image, image)[:, :, 648:], image)
    assert torch.equal(bounded_picture(image), image)
    labels = torch.full((480, 640), UNLABELLED)
    assert torch.equal(class_overlay(image, labels, NAMES), image)


def test_a_row_of_tall_and_wide_pictures_is_shrunk_as_a_whole(monkeypatch):
    monkeypatch.setattr("unstride.viz.rows.MAX_SIDE", 100)
    row = image_row(torch.zeros(3, 50, 200), torch.zeros(3, 300, 100), gap=10)
    assert row.shape == (3, 90, 60 + 10 + 30)
    assert row[:, 15:, :60].min() == 1  # white below the first, which is 15 high


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((480, 640), (360, 5000), (360, 480)),  # the height decides
        ((2, 4000), (360, 5000), (2, 5000)),  # the width decides
        ((30_000, 1), (360, 5000), (360, 1)),  # no side vanishes
        ((1, 1), (360, 5000), (360, 360)),
    ],
)
def test_the_largest_size_within_limits(size, limits, expected):
    assert fitted_size(size, limits) == expected


def test_a_long_legend_does_not_make_a_picture_too_long(monkeypatch):
    monkeypatch.setattr("unstride.viz.picture_size.MAX_SIDE", 200)
    entries = [LegendEntry(f"class {i}", (0.0, 0.0, 0.0)) for i in range(100)]
    assert max(with_legend(torch.rand(3, 150, 40), entries).shape) <= 200


def test_a_closer_view_of_a_strip_shows_it_in_grey_surroundings():
    """The footprint reaches far beyond the photograph's height; the photograph is where it was."""
    photo = torch.zeros(1, 3, 8, 64)
    weights = torch.zeros(2, 16)
    picture = draw_footprint(
        photo, weights, (4.0, 4.0), (100.0, 100.0), box=(0.0, -28.0, 64.0, 36.0), height=64
    )[0]
    assert picture.shape == (3, 64, 64)
    outside, inside = picture[:, [0, 20, 44, 63]], picture[:, 30:34]
    assert outside.min() > 0.8
    assert inside.max() < 0.3  # black, blended towards white by a fifth
