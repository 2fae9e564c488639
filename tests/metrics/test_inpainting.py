"""Scores of filled images."""

import pytest
import torch

from unstride.metrics.inpainting import as_saved, inpainting_scores, variation_within

is_hole = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
is_hole[:, :, 4:12, 4:12] = True  # a quarter of the area


def test_over_a_quarter_of_the_area_errors_are_four_times_those_over_the_image():
    truth = torch.full((1, 3, 16, 16), 0.4)
    filled = torch.where(is_hole, truth + 26 / 255, truth)
    scores = inpainting_scores(filled, truth, is_hole)
    assert scores["hole_l1"] == pytest.approx(100 * 26 / 255)
    assert scores["image_l1"] == pytest.approx(scores["hole_l1"] / 4)
    assert scores["hole_psnr"] == pytest.approx(
        -20 * torch.log10(torch.tensor(26 / 255)).item(), abs=1e-4
    )
    assert scores["image_psnr"] - scores["hole_psnr"] == pytest.approx(6.0206, abs=1e-4)


def test_the_truth_has_the_best_scores():
    truth = torch.rand(1, 3, 16, 16)
    scores = inpainting_scores(truth, truth, is_hole)
    assert scores["hole_l1"] == scores["image_l1"] == 0
    assert scores["hole_psnr"] == scores["image_psnr"] == 100
    assert scores["ssim"] == pytest.approx(1)
    assert scores["tv_ratio"] == pytest.approx(1)


def test_a_blur_has_too_little_variation():
    truth = torch.rand(1, 3, 16, 16)
    flat = torch.where(is_hole, 0.5, truth)
    assert inpainting_scores(flat, truth, is_hole)["tv_ratio"] == 0
    inside = truth[:, :, 4:12, 4:12].double()
    expected = inside.diff(dim=2).abs().sum() + inside.diff(dim=3).abs().sum()
    torch.testing.assert_close(variation_within(truth.double(), is_hole), expected)


def test_what_is_scored_is_what_is_saved():
    image = torch.tensor([-0.2, 0.0019, 0.002, 1.3])[None, None, None].expand(1, 3, 1, 4)
    assert (as_saved(image)[0, 0, 0] * 255).tolist() == pytest.approx([0, 0, 1, 255])
    truth = torch.full((1, 3, 16, 16), 0.5)
    assert inpainting_scores(truth + 0.0005, truth, is_hole)["hole_psnr"] == 100
