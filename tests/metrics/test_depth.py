"""Depth errors against plain Python, pixel by pixel."""

import math
import statistics
from decimal import Decimal

import pytest
import torch

from unstride.metrics import DepthErrors, depth_errors
from unstride.metrics.depth import ALIGNMENTS, ERROR_NAMES, crop_slices

CAPS = (0.5, 6.0)


def scene(n=3, size=(7, 9)):
    """Depth of 0.2 to 8 m with unknown pixels, and a prediction of it in another unit."""
    target = 0.2 + 7.8 * torch.rand(n, *size)
    prediction = (0.6 * target + 0.4 + 0.5 * torch.randn_like(target)).clamp(min=0.1)
    target[torch.rand(target.shape) < 0.2] = 0
    target[0, 0, :3] = torch.tensor([torch.nan, torch.inf, -1])
    return prediction, target


def naive_terms(prediction, target, caps, alignment):
    pairs = zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True)
    pairs = [(p, g) for p, g in pairs if caps[0] < g < caps[1]]
    if alignment == "median":
        factor = statistics.median(g for _, g in pairs) / statistics.median(p for p, _ in pairs)
        pairs = [(p * factor, g) for p, g in pairs]
    if alignment == "scale_shift":
        slope, shift = statistics.linear_regression(*zip(*pairs, strict=True))
        pairs = [(p * slope + shift, g) for p, g in pairs]
    pairs = [(min(max(p, caps[0]), caps[1]), g) for p, g in pairs]
    return [
        [abs(p - g) / g, (p - g) ** 2 / g, (p - g) ** 2, (math.log(p) - math.log(g)) ** 2]
        + [float(max(p / g, g / p) < 1.25**n) for n in (1, 2, 3)]
        for p, g in pairs
    ]


def naive_errors(terms):
    means = [statistics.fmean(column) for column in zip(*terms, strict=True)]
    return means[:2] + [math.sqrt(m) for m in means[2:4]] + means[4:]


def assert_errors_equal(errors, expected):
    assert list(errors) == list(ERROR_NAMES)
    found = torch.stack(list(errors.values()))
    # sums of some hundred doubles; the medians and the fit add a few roundings more
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_one_image_by_hand(alignment):
    prediction, target = scene()
    for image, truth in zip(prediction, target, strict=True):
        errors = depth_errors(image, truth, caps=CAPS, alignment=alignment)
        assert_errors_equal(errors, naive_errors(naive_terms(image, truth, CAPS, alignment)))


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("average", ["image", "pixel"])
def test_the_set_by_hand(average, alignment):
    prediction, target = scene(4)
    target[2, 1:] = 0  # few pixels: the two averages differ
    target[3] = 0  # none: it does not count
    terms = [
        naive_terms(p, t, CAPS, alignment) for p, t in zip(prediction[:3], target[:3], strict=True)
    ]
    if average == "pixel":
        expected = naive_errors([pixel for image in terms for pixel in image])
    else:
        images = [naive_errors(image) for image in terms]
        expected = [statistics.fmean(column) for column in zip(*images, strict=True)]
    metric = DepthErrors(CAPS, alignment, average)
    metric.update(prediction[:1], target[:1])
    metric.update(prediction[1:], target[1:])
    assert_errors_equal(metric.compute(), expected)


CROP_SHARES = {  # of the height and of the width, as published
    "garg": ("0.40810811", "0.99189189", "0.03594771", "0.96405229"),
    "eigen": ("0.3324324", "0.91351351", "0.0359477", "0.96405229"),
}


def mask_outside_crop(target, crop):
    """A target in which nothing beyond a crop is known, pixel by pixel, by exact arithmetic."""
    top, bottom, left, right = map(Decimal, CROP_SHARES[crop])
    height, width = target.shape[-2:]
    target = target.clone()
    for y in range(height):
        for x in range(width):
            rows = math.floor(top * height) <= y < math.floor(bottom * height)
            if not rows or not math.floor(left * width) <= x < math.floor(right * width):
                target[..., y, x] = 0
    return target


@pytest.mark.parametrize("crop", CROP_SHARES)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_beyond_the_crop_nothing_is_known(alignment, crop):
    prediction, target = scene(2, (23, 61))
    inside = mask_outside_crop(target, crop)
    assert 0 < (inside > 0).sum() < (target > 0).sum()
    errors = [
        depth_errors(image, truth, caps=CAPS, alignment=alignment, crop=crop)
        for image, truth in zip(prediction, target, strict=True)
    ]
    expected = [
        naive_errors(naive_terms(image, truth, CAPS, alignment))
        for image, truth in zip(prediction, inside, strict=True)
    ]
    for found, wanted in zip(errors, expected, strict=True):
        assert_errors_equal(found, wanted)
    metric = DepthErrors(CAPS, alignment, crop=crop)
    metric.update(prediction, target)
    assert_errors_equal(
        metric.compute(), [statistics.fmean(column) for column in zip(*expected, strict=True)]
    )


@pytest.mark.parametrize(
    ("crop", "size", "window"),
    [
        ("garg", (375, 1242), (153, 371, 44, 1197)),  # by hand, rounded down
        ("garg", (370, 1224), (151, 366, 43, 1180)),
        ("eigen", (375, 1242), (124, 342, 44, 1197)),
        ("eigen", (370, 1224), (122, 337, 43, 1180)),
    ],
)
def test_crops_of_the_sizes_of_kitti(crop, size, window):
    rows, columns = crop_slices(size, crop)
    assert (rows.start, rows.stop, columns.start, columns.stop) == window


def test_without_a_crop_all_counts():
    whole = torch.ones(5, 6)
    assert whole[crop_slices((5, 6), None)].shape == (5, 6)


def test_alignment_removes_what_it_is_named_after():
    _, target = scene()
    target[0] = target[0].nan_to_num(0, 0)
    for alignment, prediction in (("median", 3 * target), ("scale_shift", 0.5 * target - 2)):
        metric = DepthErrors(CAPS, alignment)
        metric.update(prediction, target)
        errors = metric.compute()
        assert errors["rmse"] < 1e-6  # float32 of a few metres
        assert errors["delta1"] == 1


def test_a_constant_is_fitted_by_the_mean():
    _, target = scene(1)
    errors = depth_errors(torch.ones(7, 9), target[0], caps=CAPS, alignment="scale_shift")
    valid = target[0][(target[0] > CAPS[0]) & (target[0] < CAPS[1])].double()
    torch.testing.assert_close(errors["rmse"], valid.std(correction=0))


@pytest.mark.parametrize("average", ["image", "pixel"])
def test_no_valid_pixel_has_no_errors(average):
    metric = DepthErrors(average=average)
    metric.update(torch.ones(2, 4, 4), torch.zeros(2, 4, 4))
    assert all(math.isnan(e) for e in metric.compute().values())
    errors = depth_errors(torch.ones(4, 4), torch.zeros(4, 4))
    assert all(math.isnan(e) for e in errors.values())


@pytest.mark.parametrize(("settings", "message"), [
    ({"alignment": "mean"}, "none, median, scale_shift"), ({"caps": (0.0, 10.0)}, r"got \(0"),
    ({"caps": (2.0, 1.0)}, r"got \(2"), ({"average": "batch"}, "image, pixel"),
    ({"crop": "nyu"}, "crop must be one of garg, eigen or None, got 'nyu'"),
])  # fmt: skip
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DepthErrors(**settings)
    if "average" not in settings:
        with pytest.raises(ValueError, match=message):
            depth_errors(torch.ones(2, 2), torch.ones(2, 2), **settings)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(2, 3\)"):
        depth_errors(torch.ones(2, 2), torch.ones(2, 3), crop="garg")
    with pytest.raises(ValueError, match=r"\(1, 2, 2\) and \(2, 2, 2\)"):
        DepthErrors().update(torch.ones(1, 2, 2), torch.ones(2, 2, 2))
