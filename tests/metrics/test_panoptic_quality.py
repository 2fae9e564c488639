"""Panoptic quality against the paper's words written out pixel by pixel, and on COCO's files."""

import math
from collections import defaultdict

import pytest
import torch

from tests.datasets.layouts import shared_data
from unstride.formats.coco_panoptic import (
    read_panoptic_json,
    read_segment_ids,
    write_panoptic,
)
from unstride.formats.segments import Segment
from unstride.metrics import PanopticQuality
from unstride.metrics.panoptic_quality import COUNT_STATES

THINGS, STUFF = (1, 2), (7, 9)


def naive_quality(images, classes):
    """TP, FP, FN and IoU of each class: sets of pixels, one pair of segments after the other."""
    iou, tp, fp, fn = (defaultdict(float) for _ in range(4))
    for prediction, found, target, true in images:
        pixels = [{(y, x) for y, x in (m == s.id).nonzero().tolist()} for m, s in
                  [(prediction, s) for s in found] + [(target, s) for s in true]]  # fmt: skip
        areas = dict(
            zip([*(("p", s) for s in found), *(("t", s) for s in true)], pixels, strict=True)
        )
        void = {(y, x) for y, x in (target == 0).nonzero().tolist()}
        matched = set()
        for s in found:
            for t in true:
                p, g = areas["p", s], areas["t", t]
                if s.category_id == t.category_id and not t.is_crowd:
                    value = len(p & g) / len((p - void) | g)
                    if value > 0.5:
                        matched |= {("p", s), ("t", t)}
                        tp[s.category_id] += 1
                        iou[s.category_id] += value
        for t in true:
            if ("t", t) not in matched and not t.is_crowd:
                fn[t.category_id] += 1
        for s in found:
            ignored = set(void)
            for t in true:
                if t.is_crowd and t.category_id == s.category_id:
                    ignored |= areas["t", t]
            if ("p", s) not in matched:
                p = areas["p", s]
                if len(p & ignored) / len(p) <= 0.5:
                    fp[s.category_id] += 1
    return {c: (iou[c], tp[c], fp[c], fn[c]) for c in classes}


def means(counts, classes):
    """PQ, SQ and RQ, means over the classes that occur."""
    rows = []
    for iou, tp, fp, fn in (counts[c] for c in classes):
        if tp + fp + fn:
            weight = tp + fp / 2 + fn / 2
            rows.append((iou / weight, iou / tp if tp else 0.0, tp / weight))
    return (
        [sum(column) / len(rows) for column in zip(*rows, strict=True)] if rows else [math.nan] * 3
    )


def random_map(generator, size=(24, 30), crowds=False):
    """Overlapping rectangles of all classes on a void."""
    ids = torch.zeros(size, dtype=torch.int64)
    for number in range(1, 9):
        y, x = (int(torch.randint(n - 4, (), generator=generator)) for n in size)
        h, w = (int(torch.randint(4, 16, (), generator=generator)) for _ in range(2))
        ids[y : y + h, x : x + w] = number * 70_001 % 9973  # far apart, and not in order
    categories = (*THINGS, *STUFF)
    return ids, [
        Segment(i, categories[i % 4], crowds and i % 4 < 2 and i % 3 == 0)
        for i in ids.unique().tolist()
        if i
    ]


def perturbed(ids, segments, generator):
    """The map moved, some segments of another class, a part void, a rectangle of a new segment."""
    ids = ids.roll((int(torch.randint(3, (), generator=generator)), 1), (0, 1)).clone()
    ids[: len(ids) // 8] = 0
    new = max((s.id for s in segments), default=0) + 1
    ids[-len(ids) // 3 :, : ids.shape[1] // 3] = new
    categories = [s.category_id for s in segments] or [1]
    left = set(ids.unique().tolist())
    moved = [
        Segment(s.id, categories[n - 1] if n % 5 == 4 else s.category_id)
        for n, s in enumerate(segments)
        if s.id in left
    ]
    return ids, [*moved, Segment(new, categories[0])]


def measured_and_naive(images, things, stuff):
    """The metric's scores, and those of `naive_quality`."""
    metric = PanopticQuality(things, stuff)
    for image in images:
        metric.update(*image)
    counts = naive_quality(images, (*things, *stuff))
    parts = {"": (*things, *stuff), "_things": things, "_stuff": stuff}
    expected = {
        name + part: value
        for part, classes in parts.items()
        for name, value in zip(("pq", "sq", "rq"), means(counts, classes), strict=True)
    }
    return {k: float(v) for k, v in metric.compute().items()}, expected


@pytest.mark.parametrize("seed", range(6))
def test_drawn_segments_score_as_the_paper_says(seed):
    generator = torch.Generator().manual_seed(seed)
    images = []
    for _ in range(6):
        truth = random_map(generator, crowds=True)
        images.append((*perturbed(*truth, generator), *truth))
    ours, expected = measured_and_naive(images, THINGS, STUFF)
    assert ours == pytest.approx(expected, abs=1e-12)
    assert 0 < ours["pq"] < 1


def row(*ids):
    return torch.tensor([ids])


def score(prediction, found, target, true):
    metric = PanopticQuality(THINGS, STUFF)
    metric.update(prediction, found, target, true)
    return [int(getattr(metric, name).sum()) for name in COUNT_STATES]


def test_half_is_no_match_and_void_leaves_the_union():
    person = [Segment(5, 1)]
    assert score(row(5, 5, 0, 0), person, row(5, 5, 5, 5), person) == [0, 1, 1]
    assert score(row(5, 5, 5, 0), person, row(5, 5, 5, 5), person) == [1, 0, 0]
    assert score(row(5, 5, 5, 5), person, row(5, 5, 5, 0), person) == [1, 0, 0]
    metric = PanopticQuality(THINGS, STUFF)
    metric.update(row(5, 5, 5, 5), person, row(5, 5, 5, 0), person)
    assert float(metric.compute()["sq"]) == 1  # the void pixel does not count against it


def test_what_is_forgiven():
    person, crowd = [Segment(5, 1)], [Segment(6, 1, True)]
    other = [Segment(6, 2, True)]
    assert score(row(5, 5, 5, 5), person, row(0, 0, 0, 6), other) == [0, 0, 0]  # mostly void
    assert score(row(5, 5, 5, 5), person, row(0, 0, 6, 6), other) == [0, 1, 0]  # half of it
    assert score(row(5, 5, 5, 5), person, row(0, 6, 6, 6), crowd) == [0, 0, 0]  # void and crowd
    assert score(row(5, 5, 5, 5), person, row(0, 6, 6, 6), other) == [0, 1, 0]  # another's crowd
    assert score(row(5, 5, 5, 5), person, row(6, 6, 6, 6), crowd) == [0, 0, 0]  # never a match
    assert score(row(0, 0, 0, 0), [], row(6, 6, 6, 6), crowd) == [0, 0, 0]  # never missed


def test_classes_that_do_not_occur_are_left_out():
    metric = PanopticQuality(THINGS, STUFF)
    metric.update(row(3, 3), [Segment(3, 2)], row(4, 4), [Segment(4, 2)])
    scores = metric.compute()
    assert float(scores["pq"]) == float(scores["pq_things"]) == 1
    assert math.isnan(scores["pq_stuff"])
    nothing = PanopticQuality(THINGS, STUFF)
    nothing.update(row(0), [], row(0), [])
    assert math.isnan(nothing.compute()["pq"])
    assert metric.per_class()["sq"].isnan().tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((row(1, 1), [Segment(1, 1)], row(1), [Segment(1, 1)]), "same size"),
        ((row(1, 2), [Segment(1, 1)], row(0, 0), []), "segment 2 has pixels but is not listed"),
        (
            (row(1, 1), [Segment(1, 1), Segment(2, 1)], row(0, 0), []),
            "2 is listed but has no pixels",
        ),
        ((row(1, 1), [Segment(1, 1), Segment(1, 2)], row(0, 0), []), "listed twice"),
        ((row(1, 1), [Segment(1, 4)], row(0, 0), []), "unknown category 4"),
        ((row(0, 0), [], row(0, 3), []), "target: segment 3 has pixels"),
    ],
)
def test_maps_and_segments_that_disagree_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PanopticQuality(THINGS, STUFF).update(*arguments)


def test_a_class_is_a_thing_or_stuff():
    with pytest.raises(ValueError, match="class 2"):
        PanopticQuality((1, 2), (2,))


def coco(most):
    """Images of COCO with crowds first, and its categories."""
    folder = shared_data("coco") / "val2017"
    segments, categories = read_panoptic_json(folder / "panoptic.json")
    names = sorted(segments, key=lambda n: (not any(s.is_crowd for s in segments[n]), n))[:most]
    things = [c.id for c in categories if c.is_thing]
    stuff = [c.id for c in categories if not c.is_thing]
    maps = {name: read_segment_ids(folder / "panoptic" / name) for name in names}
    return folder, {n: (m[::4, ::4], m, segments[n]) for n, m in maps.items()}, things, stuff


def small(ids, segments):
    left = set(ids.unique().tolist())
    return ids, [s for s in segments if s.id in left]


def test_coco_files_score_as_the_paper_says():
    _, maps, things, stuff = coco(16)
    generator = torch.Generator().manual_seed(0)
    images = []
    for coarse, _, segments in maps.values():
        truth = small(coarse, segments)
        images.append((*perturbed(*truth, generator), *truth))
    ours, expected = measured_and_naive(images, things, stuff)
    assert any(s.is_crowd for image in images for s in image[3])
    assert ours == pytest.approx(expected, abs=1e-12)
    assert 0.1 < ours["pq"] < 0.95


def test_the_truth_itself_scores_one():
    _, maps, things, stuff = coco(8)
    metric = PanopticQuality(things, stuff)
    for _, ids, segments in maps.values():
        metric.update(ids, [s._replace(is_crowd=False) for s in segments], ids, segments)
    assert float(metric.compute()["pq"]) == 1


def test_panopticapi_agrees_on_coco_files(tmp_path):
    """`pip install --no-deps panopticapi-lite`, which is COCO's own evaluation.

    No dependency of the tests: it asks for numpy 1, though it runs with 2.
    """
    reason = "COCO's own evaluation is not installed"
    evaluation = pytest.importorskip("panopticapi.evaluation", reason=reason)
    import json

    folder, maps, things, stuff = coco(94)
    _, categories = read_panoptic_json(folder / "panoptic.json")
    generator, metric, results = (
        torch.Generator().manual_seed(0),
        PanopticQuality(things, stuff),
        {},
    )
    for name, (_, ids, segments) in maps.items():
        results[name.removesuffix(".png")] = perturbed(ids, segments, generator)
        metric.update(*results[name.removesuffix(".png")], ids, segments)
    write_panoptic(tmp_path / "found", results, categories)
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["annotations"]
    true = json.loads((folder / "panoptic.json").read_text(encoding="utf-8"))
    by_name = {a["file_name"]: a for a in found}
    pairs = [(a, by_name[a["file_name"]]) for a in true["annotations"]]
    by_id = {c["id"]: c for c in true["categories"]}
    sums = evaluation.pq_compute_single_core(
        0, pairs, str(folder / "panoptic"), str(tmp_path / "found"), by_id
    )
    ours = metric.compute()
    for part, isthing in (("", None), ("_things", True), ("_stuff", False)):
        theirs, _ = sums.pq_average(by_id, isthing=isthing)
        for name in ("pq", "sq", "rq"):
            assert float(ours[name + part]) == pytest.approx(theirs[name], abs=1e-12)
