"""Merging and grouping: hand-made cases, and the truth of COCO's files as a prediction."""

import pytest
import torch

from tests.datasets.layouts import shared_data
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.formats.labels import UNLABELLED
from unstride.formats.segments import Segment
from unstride.metrics import PanopticQuality
from unstride.models.panoptic.postprocess import find_centres, group_pixels, merge_objects
from unstride.transforms.panoptic_targets import (
    PanopticClasses,
    centre_targets,
    panoptic_fpn_target,
    semantic_map,
)

CLASSES = PanopticClasses(things=(1, 18), stuff=(100, 200))


def strip(*columns, width=10):
    mask = torch.zeros(1, width, dtype=torch.bool)
    mask[:, list(columns)] = True
    return mask


def merge(masks, labels, scores, semantic=None, **options):
    semantic = torch.zeros(1, 10, dtype=torch.int64) if semantic is None else semantic
    stacked = torch.stack(masks) if masks else torch.zeros(0, 1, 10, dtype=torch.bool)
    options = {"min_area": 1} | options
    return merge_objects(
        stacked, torch.tensor(labels, dtype=torch.int64), torch.tensor(scores), semantic, CLASSES,
        **options,
    )  # fmt: skip


def test_the_better_object_lies_above():
    ids, segments = merge([strip(0, 1, 2), strip(2, 3, 4)], [1, 2], [0.6, 0.9])
    assert ids.tolist() == [[2, 2, 1, 1, 1, 0, 0, 0, 0, 0]]
    assert segments == [Segment(1, 18), Segment(2, 1)]


def test_more_than_half_hidden_is_dropped_and_half_is_not():
    ids, segments = merge([strip(0, 1, 2), strip(1, 2, 3)], [1, 1], [0.9, 0.8])
    assert (len(segments), int(ids.max())) == (1, 1)
    ids, segments = merge([strip(0, 1), strip(1, 2)], [1, 1], [0.9, 0.8])
    assert ids.tolist()[0][:3] == [1, 1, 2]
    assert len(merge([strip(0, 1), strip()], [1, 1], [0.9, 0.8])[1]) == 1  # no pixel at all


def test_low_scores_are_dropped():
    assert len(merge([strip(0), strip(1)], [1, 1], [0.5, 0.49])[1]) == 1
    assert len(merge([strip(0), strip(1)], [1, 1], [0.5, 0.49], min_score=0.1)[1]) == 2


def test_stuff_lies_below_and_small_stuff_is_void():
    semantic = torch.tensor([[1, 1, 1, 1, 2, 2, 0, 0, 2, UNLABELLED]])
    ids, segments = merge([strip(0, 1)], [2], [0.9], semantic, min_area=3)
    assert ids.tolist() == [[1, 1, 0, 0, 2, 2, 0, 0, 2, 0]]
    assert segments == [Segment(1, 18), Segment(2, 200)]
    ids, segments = merge([], [], [], semantic, min_area=4)
    assert ids.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]
    assert segments == [Segment(1, 100)]


def test_peaks_are_the_highest_of_their_window():
    heat = torch.zeros(20, 20)
    heat[3, 4], heat[5, 6], heat[3, 12], heat[15, 15] = 0.9, 0.8, 1.0, 0.09
    assert find_centres(heat).tolist() == [[3, 12], [3, 4]]
    assert find_centres(heat, window=3).tolist() == [[3, 12], [3, 4], [5, 6]]
    assert find_centres(heat, most=1).tolist() == [[3, 12]]
    assert find_centres(heat, min_heat=0.05).tolist() == [[3, 12], [3, 4], [15, 15]]


def test_of_equal_peaks_in_a_window_there_is_one():
    heat = torch.zeros(12, 20)
    heat[5, 0:2], heat[4:6, 10:13] = 0.9, 0.5
    assert find_centres(heat).tolist() == [[5, 0], [4, 10]]
    heat[5, 18] = heat[5, 13] = 0.5  # farther from the first of them than the window reaches
    assert find_centres(heat, window=5).tolist() == [[5, 0], [4, 10], [5, 18]]


def test_far_pixels_of_half_type_fields_reach_their_own_centre():
    semantic = torch.zeros(8, 1200, dtype=torch.int64)
    heat, offsets = torch.zeros(8, 1200), torch.zeros(2, 8, 1200)
    columns = torch.arange(1200)
    centres = (columns // 8) * 8 + 3
    heat[4, centres[::8]] = 1.0
    offsets[0], offsets[1] = centres - columns, 4 - torch.arange(8.0)[:, None]
    half = heat.bfloat16(), offsets.bfloat16()
    ids, segments = group_pixels(semantic, *half, CLASSES, most=200)
    assert len(segments) == 150
    assert all(len(ids[:, left : left + 8].unique()) == 1 for left in range(0, 1200, 8))


def two_things():
    """A person of 4 columns beside a dog of 4, with one pixel mistaken, over stuff."""
    semantic = torch.full((4, 16), 2)
    semantic[:3, :4], semantic[:3, 8:12] = 0, 1
    semantic[0, 0] = 1
    heat, offsets = torch.zeros(4, 16), torch.zeros(2, 4, 16)
    heat[1, 1], heat[1, 10] = 0.9, 0.8
    columns, rows = torch.arange(16.0), torch.arange(4.0)[:, None]
    offsets[0] = torch.where(columns < 6, 1 - columns, 10 - columns)
    offsets[1] = 1 - rows
    return semantic, heat, offsets


def test_pixels_go_where_they_lead_and_the_most_decide_the_class():
    ids, segments = group_pixels(*two_things(), CLASSES, min_area=1)
    assert segments == [Segment(1, 1), Segment(2, 18), Segment(3, 100)]
    assert ids[:3, :4].eq(1).all()
    assert ids[:3, 8:12].eq(2).all()
    assert ids[3].eq(3).all()


def test_offsets_decide_not_nearness():
    semantic, heat, offsets = two_things()
    offsets[:, 2, :4] = torch.stack([10 - torch.arange(4.0), torch.full((4,), -1.0)])
    ids, _ = group_pixels(semantic, heat, offsets, CLASSES, min_area=1)
    assert ids[2, :4].eq(2).all()
    assert ids[:2, :4].eq(1).all()


def test_without_centres_things_are_void():
    semantic, heat, offsets = two_things()
    ids, segments = group_pixels(semantic, 0 * heat, offsets, CLASSES, min_area=1)
    assert segments == [Segment(1, 100)]
    assert ids[:3, :4].eq(0).all()
    ids, segments = group_pixels(semantic, heat, offsets, CLASSES, min_area=60)
    assert [s.category_id for s in segments] == [1, 18]  # 40 pixels of stuff are too few


def test_centres_that_no_pixel_goes_to_are_no_segment():
    semantic, heat, offsets = two_things()
    heat[3, 15] = 1
    assert len(group_pixels(semantic, heat, offsets, CLASSES, min_area=1)[1]) == 3


def small_map():
    ids = torch.zeros(6, 8, dtype=torch.int64)
    ids[:4, :4], ids[:4, 4:], ids[4:, :6] = 7, 9, 5
    segments = [Segment(7, 18), Segment(9, 1, True), Segment(5, 200)]
    return ids, segments


def test_targets_of_a_map():
    ids, segments = small_map()
    gone = Segment(3, 1)
    target = {"ids": ids[None], "segments": [*segments, gone], "image_id": 4}
    objects = panoptic_fpn_target(target, CLASSES)
    assert (objects["labels"].tolist(), objects["iscrowd"].tolist()) == ([2, 1], [False, True])
    assert objects["boxes"].tolist() == [[0, 0, 4, 4], [4, 0, 8, 4]]
    assert objects["semantic"][0, 0].tolist() == [0] * 8
    assert objects["semantic"][0, 5].tolist() == [2] * 6 + [UNLABELLED] * 2
    painted = semantic_map(ids, segments, CLASSES)
    assert painted[0].tolist() == [1] * 4 + [0] * 4
    assert painted[5].tolist() == [3] * 6 + [UNLABELLED] * 2


def test_centres_of_a_map():
    heat, offsets, is_known, is_object = centre_targets(*small_map(), CLASSES)
    assert is_object.tolist() == (small_map()[0] == 7).tolist()
    assert is_known[0].tolist() == [True] * 4 + [False] * 4  # a crowd is not known
    assert is_known[5].tolist() == [True] * 6 + [False] * 2  # nor is void
    assert float(heat.max()) == float(heat[2, 2]) == 1
    assert offsets[:, 0, 0].tolist() == [1.5, 1.5]  # from (0.5, 0.5) to (2, 2)
    assert offsets[:, 1, 3].tolist() == [-1.5, 0.5]
    assert offsets[:, 5].eq(0).all()


def coco_targets():
    dataset = COCOPanoptic(shared_data("coco"), "val")
    classes = PanopticClasses.from_categories(dataset.categories)
    for index in range(12):
        target = dataset[index][1]
        yield classes, target, torch.as_tensor(target["ids"])[0]


def test_a_merged_truth_has_quality_one():
    metric = None
    for classes, target, ids in coco_targets():
        metric = metric or PanopticQuality(*classes)
        objects = panoptic_fpn_target(target, classes)
        single = ~objects["iscrowd"]
        found, segments = merge_objects(
            torch.as_tensor(objects["masks"])[single].bool(), objects["labels"][single],
            torch.rand(int(single.sum())) / 2 + 0.5, objects["semantic"][0], classes, min_area=0,
        )  # fmt: skip
        metric.update(found, segments, ids, target["segments"])
    assert metric.compute() == dict.fromkeys(metric.compute(), 1)


def test_a_grouped_truth_has_nearly_quality_one():
    """Objects whose centres lie within the window become one; all others come back whole."""
    metric, whole = None, None
    for classes, target, ids in coco_targets():
        metric = metric or PanopticQuality(*classes)
        whole = whole or PanopticQuality(*classes)
        segments = target["segments"]
        truth = centre_targets(ids, segments, classes)
        semantic = semantic_map(ids, segments, classes)
        found = group_pixels(semantic, truth.heatmap, truth.offsets, classes, min_area=0)
        metric.update(*found, ids, segments)
        single = sum(s.category_id in classes.things and not s.is_crowd for s in segments)
        crowd = any(s.is_crowd for s in segments)
        if len(find_centres(truth.heatmap)) == single and not crowd:
            whole.update(*found, ids, segments)
    assert float(metric.compute()["pq_stuff"]) == 1
    assert float(metric.compute()["pq_things"]) > 0.9
    assert float(whole.compute()["pq"]) == pytest.approx(1)
