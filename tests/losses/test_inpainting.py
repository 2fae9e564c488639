"""Losses of inpainting: discounts in holes, weighted errors, total variation, perceptual losses."""

import pytest
import torch

from unstride.losses.inpainting import discounted_l1, hole_discount, total_variation
from unstride.losses.perceptual import gram_matrix, perceptual_loss, style_loss


def test_in_a_box_the_discount_is_that_of_the_distance_to_its_sides():
    is_hole = torch.zeros(1, 1, 12, 14, dtype=torch.bool)
    is_hole[:, :, 2:9, 3:11] = True
    rows, columns = torch.arange(7)[:, None], torch.arange(8)
    distance = torch.minimum(
        torch.minimum(rows, 6 - rows), torch.minimum(columns, 7 - columns)
    ).float()
    weights = hole_discount(is_hole, 0.9)
    torch.testing.assert_close(weights[0, 0, 2:9, 3:11], 0.9**distance)
    assert weights[~is_hole].eq(0).all()


def test_the_discount_follows_a_hole_of_any_shape_and_every_image_has_its_own():
    is_hole = torch.rand(3, 1, 9, 11) > 0.2
    is_hole[2] = True
    weights = hole_discount(is_hole, 0.5)
    for b in range(2):
        known = torch.nonzero(~is_hole[b, 0])
        for y, x in torch.nonzero(is_hole[b, 0]).tolist():
            distance = (known - torch.tensor([y, x])).abs().max(1).values.min().item()
            assert weights[b, 0, y, x] == 0.5 ** (distance - 1)
    assert weights[2].eq(1).all()
    assert torch.equal(hole_discount(is_hole, 1.0), is_hole.float())


def test_weighted_errors_do_not_depend_on_how_much_is_weighted():
    predicted, target = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    small = torch.zeros(2, 1, 8, 8)
    small[:, :, 2, 3] = 0.25
    assert discounted_l1(predicted, target, small).item() == pytest.approx(1)
    assert discounted_l1(predicted, target, torch.ones(2, 1, 8, 8)).item() == pytest.approx(1)
    assert discounted_l1(predicted, target, torch.zeros(2, 1, 8, 8)).item() == 0
    predicted[:, :, 2, 3] = 1
    assert discounted_l1(predicted, target, small).item() == 0


def test_total_variation_is_that_of_neighbours_in_the_region():
    image = torch.rand(1, 2, 5, 6)
    region = torch.zeros(1, 1, 5, 6, dtype=torch.bool)
    region[0, 0, 1, 2] = region[0, 0, 1, 3] = region[0, 0, 2, 2] = region[0, 0, 4, 5] = True
    across = (image[0, :, 1, 2] - image[0, :, 1, 3]).abs().mean()
    down = (image[0, :, 1, 2] - image[0, :, 2, 2]).abs().mean()
    torch.testing.assert_close(total_variation(image, region), (across + down) / 2)
    assert total_variation(image, torch.zeros_like(region)).item() == 0


def test_perceptual_loss_compares_features_and_style_their_products():
    one = {2: torch.randn(2, 3, 4, 5), 4: torch.randn(2, 6, 2, 2)}
    other = {2: torch.randn(2, 3, 4, 5), 4: torch.randn(2, 6, 2, 2)}
    expected = sum((one[s] - other[s]).abs().mean() for s in one)
    torch.testing.assert_close(perceptual_loss(one, other), expected)
    gram = gram_matrix(one[2])
    torch.testing.assert_close(gram[1, 0, 2], (one[2][1, 0] * one[2][1, 2]).sum() / (3 * 4 * 5))
    moved = {s: maps.flip(3) for s, maps in one.items()}  # the same content elsewhere
    torch.testing.assert_close(style_loss(one, moved), torch.tensor(0.0), rtol=0, atol=1e-6)
    assert perceptual_loss(one, moved) > 0.1
    assert style_loss(one, other) > 0.01
