"""IoU of areas and of boundaries against counting pixel by pixel."""

import math

import pytest
import torch

from unstride.formats.labels import UNLABELLED
from unstride.metrics import BoundaryIoU, boundary_band, mean_iou

CLASSES = 4


def blobs(n, size, classes=CLASSES, unlabelled=0.0):
    """Random maps of patches, so that there are areas as well as boundaries."""
    coarse = torch.randint(0, classes, (n, 1, 4, 5)).float()
    labels = torch.nn.functional.interpolate(coarse, size)[:, 0].long()
    noise = torch.rand(labels.shape)
    labels[noise < 0.05] = 0
    labels[(noise > 0.5) & (noise < 0.5 + unlabelled)] = UNLABELLED
    return labels


def naive_band(labels, width):
    """Looks around every pixel."""
    height, across = labels.shape
    band = set()
    for y in range(height):
        for x in range(across):
            near = set()
            for v in range(y - width, y + width + 1):
                for u in range(x - width, x + width + 1):
                    inside = 0 <= v < height and 0 <= u < across
                    near.add(int(labels[v, u]) if inside else None)
            if labels[y, x] != UNLABELLED and near - {int(labels[y, x]), UNLABELLED}:
                band.add((y, x, int(labels[y, x])))
    return band


def eroded_band(mask, width):
    """The authors' construction for one mask: a border of zeros, then `width` erosions by 3 x 3."""
    height, across = mask.shape
    kept = {(y, x) for y in range(height) for x in range(across) if mask[y, x]}
    start = kept
    for _ in range(width):
        steps = [(v, u) for v in (-1, 0, 1) for u in (-1, 0, 1)]
        kept = {(y, x) for y, x in kept if all((y + v, x + u) in kept for v, u in steps)}
    return start - kept


def naive_boundary_iou(predictions, targets, width):
    both, either = [0] * CLASSES, [0] * CLASSES
    for prediction, target in zip(predictions, targets, strict=True):
        prediction = prediction.where(target != UNLABELLED, UNLABELLED)
        found, true = naive_band(prediction, width), naive_band(target, width)
        for k in range(CLASSES):
            f, t = ({p for p in band if p[2] == k} for band in (found, true))
            both[k] += len(f & t)
            either[k] += len(f | t)
    quotients = [b / e for b, e in zip(both, either, strict=True) if e]
    return sum(quotients) / len(quotients)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_band_is_what_the_authors_erode(width):
    labels = blobs(1, (13, 17))
    band = boundary_band(labels, width)[0]
    for k in range(CLASSES):
        ours = {tuple(p) for p in (band & (labels[0] == k)).nonzero().tolist()}
        assert ours == eroded_band(labels[0] == k, width)


@pytest.mark.parametrize("unlabelled", [0, 0.2])
@pytest.mark.parametrize("width", [1, 3])
def test_band_by_looking_around_every_pixel(width, unlabelled):
    labels = blobs(1, (11, 14), unlabelled=unlabelled)
    band = boundary_band(labels, width)[0]
    expected = {(y, x) for y, x, _ in naive_band(labels[0], width)}
    assert {tuple(p) for p in band.nonzero().tolist()} == expected


def test_unlabelled_strip_makes_no_band_and_hides_none():
    labels = torch.zeros(1, 9, 20, dtype=torch.long)
    labels[..., 9:11] = UNLABELLED
    assert boundary_band(labels, 2)[0, 4].nonzero().flatten().tolist() == [0, 1, 18, 19]
    labels[..., 11:] = 1
    inner = boundary_band(labels, 4)[0, 4, 4:16].nonzero().flatten() + 4
    assert inner.tolist() == [7, 8, 11, 12]  # narrower by the strip of two


@pytest.mark.parametrize("unlabelled", [0, 0.2])
def test_boundary_iou_sums_over_the_set_before_it_divides(unlabelled):
    targets = torch.cat([blobs(2, (16, 12), unlabelled=unlabelled), torch.zeros(1, 16, 12).long()])
    predictions = torch.where(torch.rand(targets.shape) < 0.7, targets, blobs(3, (16, 12)))
    predictions[predictions == UNLABELLED] = 1
    metric = BoundaryIoU(CLASSES, dilation_ratio=0.1)  # a diagonal of 20: 2 pixels
    metric.update(predictions[:2], targets[:2])
    metric.update(predictions[2:], targets[2:])
    expected = naive_boundary_iou(predictions, targets, 2)
    torch.testing.assert_close(metric.compute().item(), expected)


def test_default_band_is_two_percent_of_the_diagonal_and_at_least_a_pixel():
    target = torch.zeros(1, 360, 480, dtype=torch.long)  # a diagonal of 600: 12 pixels
    prediction = target.clone()
    prediction[:, 12:-12, 12:-12] = 1
    metric = BoundaryIoU(2)
    metric.update(prediction, target)
    assert metric.per_class()[0] == 1
    prediction[:, 11, 11] = 1
    metric.reset()
    metric.update(prediction, target)
    assert metric.per_class()[0] < 1
    metric.reset()
    metric.update(torch.zeros(1, 3, 3).long(), torch.zeros(1, 3, 3).long())
    assert metric.union.tolist() == [8, 0]


def test_a_right_pixel_counts_only_if_it_lies_in_both_bands():
    target = torch.zeros(1, 9, 30, dtype=torch.long)
    target[..., 15:] = 1
    prediction = torch.zeros_like(target)  # right on the left, but with no boundary at 15
    metric = BoundaryIoU(2, dilation_ratio=0.04)  # one pixel
    metric.update(prediction, target)
    ring = 2 * 30 + 2 * 7
    assert metric.intersection.tolist() == [2 * 15 + 7, 0]
    assert metric.union.tolist() == [ring + 7, 2 * 15 + 2 * 7]


def test_perfect_is_one_and_absent_classes_are_left_out():
    target = blobs(2, (20, 20), classes=3)
    for metric in (BoundaryIoU(CLASSES), mean_iou(CLASSES)):
        metric.update(target, target)
        assert metric.compute() == 1


def test_what_is_predicted_where_nothing_is_labelled_does_not_count():
    target = blobs(2, (20, 20))
    prediction = target.clone()
    target[:, 5:9] = UNLABELLED
    for metric in (BoundaryIoU(CLASSES), mean_iou(CLASSES)):
        scores = []
        for shift in (0, 1):
            metric.reset()
            prediction[:, 5:9] = (prediction[:, 5:9] + shift) % CLASSES
            metric.update(prediction, target)
            scores.append(metric.compute())
        assert scores[0] == scores[1] == 1


def test_a_class_only_predicted_counts_as_zero():
    target = torch.zeros(1, 8, 8, dtype=torch.long)
    prediction = target.clone()
    prediction[0, 3, 3] = 2
    for metric, area in ((mean_iou(CLASSES), 63 / 64), (BoundaryIoU(CLASSES, 0.1), 28 / 36)):
        metric.update(prediction, target)
        # classes 0 and 2; of class 0 the outer ring, and eight pixels around the wrong one
        torch.testing.assert_close(metric.compute().item(), area / 2)


def test_mean_iou_by_counting():
    target, prediction = blobs(3, (12, 15), unlabelled=0.2), blobs(3, (12, 15))
    metric = mean_iou(CLASSES)
    metric.update(prediction[:1], target[:1])
    metric.update(prediction[1:], target[1:])
    pairs = list(zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True))
    pairs = [pair for pair in pairs if pair[1] != UNLABELLED]
    quotients = [
        sum(p == k == t for p, t in pairs) / sum(k in (p, t) for p, t in pairs)
        for k in range(CLASSES)
    ]
    # float32 quotients of counts: a few roundings of 2^-24
    assert abs(metric.compute().item() - sum(quotients) / CLASSES) < 1e-6


def test_nothing_labelled_has_no_score():
    nothing = torch.full((1, 6, 6), UNLABELLED)
    for metric in (BoundaryIoU(CLASSES), mean_iou(CLASSES)):
        metric.update(torch.zeros(1, 6, 6).long(), nothing)
        assert math.isnan(metric.compute())


@pytest.mark.parametrize(("prediction", "target", "message"), [
    ((1, 5, 5), (1, 5, 6), r"\(1, 5, 5\) and \(1, 5, 6\)"),
    ("prediction", 4, "prediction: .* got 4"), ("target", -1, "target: .* got -1"),
])  # fmt: skip
def test_wrong_maps_are_refused(prediction, target, message):
    maps = {name: torch.zeros(1, 5, 5).long() for name in ("prediction", "target")}
    if isinstance(prediction, str):
        maps[prediction][0, 2, 2] = target
    else:
        maps = {"prediction": torch.zeros(prediction).long(), "target": torch.zeros(target).long()}
    with pytest.raises(ValueError, match=message):
        BoundaryIoU(CLASSES).update(**maps)


def test_the_dilation_ratio_is_a_share():
    with pytest.raises(ValueError, match="dilation_ratio must be between 0 and 1, got 2"):
        BoundaryIoU(CLASSES, dilation_ratio=2)
