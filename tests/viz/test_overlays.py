"""Classes, segments and objects over a photograph."""

import torch

from unstride.viz import (
    class_overlay,
    detection_overlay,
    image_row,
    panoptic_overlay,
    segmentation_comparison,
)
from unstride.viz.boxes import _draw_caption, _is_overlapping
from unstride.viz.classes import class_legend
from unstride.viz.label_overlay import blend_labels, label_boundaries
from unstride.viz.legend import LegendEntry, legend_strip, with_legend
from unstride.viz.palette import class_palette, segment_colours
from unstride.viz.panoptic import panoptic_legend, segment_indices

NAMES = ["wall", "floor", "lamp", "door"]
SIZE = 60, 80


def colours_in(picture):
    return {tuple(c) for c in (255 * picture).round().int().flatten(1).T.tolist()}


def as_bytes(colour):
    return tuple((255 * torch.as_tensor(colour)).round().int().tolist())


def halves():
    labels = torch.zeros(SIZE, dtype=torch.int64)
    labels[:, 40:] = 2
    return labels


def test_one_class_everywhere_is_one_blend():
    image, labels = torch.rand(3, *SIZE), torch.full(SIZE, 2)
    found = class_overlay(image, labels, NAMES, opacity=0.3)[:, : SIZE[0]]
    torch.testing.assert_close(found, 0.7 * image + 0.3 * class_palette(NAMES)[2][:, None, None])


def test_what_has_no_class_shows_the_photograph():
    image = torch.rand(3, *SIZE)
    for number in (255, -1, len(NAMES)):
        found = class_overlay(image, torch.full(SIZE, number), NAMES)
        assert torch.equal(found, image)  # without a legend too


def test_lines_lie_between_classes_only_and_are_as_wide_as_is_said():
    for width in (1, 2, 3):
        found = label_boundaries(halves(), width)
        assert (found.sum(1) == width).all()
        assert found[:, 39].all()
        assert (label_boundaries(halves().T, width).sum(0) == width).all()
    assert not label_boundaries(torch.zeros(SIZE, dtype=torch.int64), 3).any()


def test_the_legend_names_exactly_the_classes_that_occur_the_largest_first():
    labels = halves()
    labels[:, 30:] = 2
    labels[:9] = 255
    found = class_legend([labels], NAMES)
    assert [entry.name for entry in found] == ["lamp", "wall"]
    strip = class_overlay(torch.zeros(3, *SIZE), labels, NAMES)[:, SIZE[0] :]
    shown = colours_in(strip)
    for name, colour in zip(NAMES, class_palette(NAMES), strict=True):
        assert (as_bytes(colour) in shown) == (name in ("wall", "lamp"))


def test_a_legend_takes_as_many_lines_as_it_needs_and_keeps_the_picture():
    entries = [LegendEntry(f"class {i}", (i / 9, 0.5, 0.5)) for i in range(9)]
    assert legend_strip(entries, 80, 12).shape[1] > 2 * legend_strip(entries, 2000, 12).shape[1]
    for width in (80, 2000):
        shown = colours_in(legend_strip(entries, width, 12))
        assert all(as_bytes(entry.colour) in shown for entry in entries)
    picture = torch.rand(3, *SIZE)
    assert torch.equal(with_legend(picture, entries)[:, : SIZE[0]], picture)


def test_compared_are_the_photograph_the_truth_and_what_was_found():
    image, truth, found = torch.rand(3, *SIZE), halves(), torch.ones(SIZE, dtype=torch.int64)
    row = segmentation_comparison(image, truth, found, NAMES)
    assert torch.equal(row[:, : SIZE[0], :80], image)
    for place, labels in ((88, truth), (176, found)):
        alone = class_overlay(image, labels, NAMES)[:, : SIZE[0]]
        assert torch.equal(row[:, : SIZE[0], place : place + 80], alone)
    shown = colours_in(row[:, SIZE[0] :])
    assert [as_bytes(c) in shown for c in class_palette(NAMES)] == [True, True, True, False]


def test_pictures_beside_each_other_keep_their_sizes():
    found = image_row(torch.zeros(3, 5, 7), torch.zeros(3, 9, 4), gap=2)
    assert found.shape == (3, 9, 13)
    assert found[0].sum() == 9 * 2 + 4 * 7  # white between and below


def test_segments_of_a_class_have_shades_of_it_and_void_none():
    image, ids = torch.rand(3, *SIZE), torch.zeros(SIZE, dtype=torch.int64)
    ids[:20], ids[20:40], ids[40:50] = 70_000, 3, 9
    segment_classes = {70_000: 2, 3: 2, 9: 1}
    found = panoptic_overlay(image, ids, segment_classes, NAMES)
    torch.testing.assert_close(found[:, 51:60], image[:, 51:60])
    colours = segment_colours([2, 1, 2], NAMES)  # of 3, 9 and 70000
    for row, colour in ((5, colours[2]), (30, colours[0]), (45, colours[1])):
        blend = 0.45 * image[:, row] + 0.55 * colour[:, None]
        torch.testing.assert_close(found[:, row], blend)
    assert not torch.equal(colours[0], colours[2])
    assert [entry.name for entry in panoptic_legend(segment_classes, NAMES)] == [
        "floor",
        "lamp x 2",
    ]


def test_ids_that_are_not_known_have_no_place():
    ids = torch.tensor([[0, 5, 6, 900]])
    assert segment_indices(ids, [5, 900]).tolist() == [[-1, 0, -1, 1]]
    assert segment_indices(ids, []).tolist() == [[-1] * 4]


def objects(**more):
    found = {
        "boxes": torch.tensor([[10.0, 20, 50, 55], [30, 25, 70, 58]]),
        "labels": torch.tensor([3, 1]),
        "scores": torch.tensor([0.6, 0.9]),
    }
    return found | more


def test_boxes_are_drawn_where_they_are_and_no_objects_change_nothing():
    image = torch.full((3, *SIZE), 0.5)
    found = detection_overlay(image, objects(), NAMES)
    for place, number in (((55, 20), 2), ((50, 70), 0)):
        torch.testing.assert_close(
            found[:, place[0], place[1]], class_palette(NAMES)[number], atol=0.003, rtol=0
        )
    nothing = {k: v[:0] for k, v in objects().items()}
    torch.testing.assert_close(detection_overlay(image, nothing, NAMES), image, atol=0.002, rtol=0)


def test_the_better_mask_lies_on_top():
    image, masks = torch.zeros(3, 150, 200), torch.zeros(2, 1, 150, 200)
    masks[0, :, 60:120, 10:120], masks[1, :, 80:140, 90:190] = 0.5, 1.0
    boxes = torch.tensor([[10.0, 60, 120, 120], [90, 80, 190, 140]])
    found = detection_overlay(image, objects(masks=masks, boxes=boxes), NAMES)
    for at, number in (((100, 100), 0), ((100, 50), 2)):
        blend = 0.55 * class_palette(NAMES)[number]
        torch.testing.assert_close(found[:, at[0], at[1]], blend, atol=0.003, rtol=0)


def test_names_never_cover_each_other_and_stay_inside():
    from PIL import Image, ImageDraw

    draw, occupied = ImageDraw.Draw(Image.new("RGB", (300, 200))), []
    generator = torch.Generator().manual_seed(0)
    boxes = (200 * torch.rand(60, 4, generator=generator)).tolist()
    for left, top, wide, high in [[250.0, 3.0, 40.0, 90.0], *boxes]:
        _draw_caption(
            draw, (left, top, left + wide, top + high), "some name 0.50", (9, 9, 9), occupied
        )
    assert 5 < len(occupied) < 60
    for i, one in enumerate(occupied):
        assert one[0] >= 0
        assert one[1] >= 0
        assert one[2] <= 300
        assert one[3] <= 200
        assert not any(_is_overlapping(one, other) for other in occupied[:i])


def test_numbers_without_colours_paint_nothing():
    image = torch.rand(3, *SIZE)
    assert blend_labels(image, halves(), torch.zeros(0, 3)) is image
