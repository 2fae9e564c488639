"""Trimaps, from mattes and masks, and the parts of composites."""

import pytest
import torch

from unstride.datasets.composition import over
from unstride.transforms.matting_augment import MattingAugmentation
from unstride.transforms.trimap import eroded, trimap_from_alpha, trimap_from_mask


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 40])
def test_erosion_keeps_the_pixels_whose_disk_lies_inside(radius):
    torch.manual_seed(0)
    region = torch.rand(18, 23) > 0.02
    actual = eroded(region, radius)
    outside = torch.nonzero(~region)
    for y in range(18):
        for x in range(23):
            squared = (outside - torch.tensor([y, x])).square().sum(1)
            assert actual[y, x] == (not (squared <= radius**2).any()), (y, x)


def test_what_is_soft_is_unknown_and_as_much_around_it_as_asked_for():
    alpha = torch.zeros(20, 30)
    alpha[:, 15:] = 1
    alpha[:, 14] = 0.5
    trimap = trimap_from_alpha(alpha, inner=2, outer=4)
    assert trimap[9].tolist() == [0] * 10 + [128] * 7 + [255] * 13
    resized = torch.where(alpha == 1, 1 - 1e-6, alpha)
    assert torch.equal(trimap_from_alpha(resized, 2, 4), trimap)


def test_near_the_border_of_a_mask_nothing_is_known():
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[:, 15:] = True
    assert trimap_from_mask(mask, 3)[9].tolist() == [0] * 12 + [128] * 6 + [255] * 12
    assert trimap_from_mask(mask, 3, 1)[9].tolist() == [0] * 14 + [128] * 4 + [255] * 12
    assert trimap_from_mask(mask, 0).unique().tolist() == [0, 255]


def cutout(size=(60, 80)):
    maps = torch.rand(4, *size)
    maps[3] = 0
    maps[3, 15:45, 20:60] = 1
    maps[3, 14] = maps[3, 45] = 0.5
    return maps


def test_a_crop_shows_soft_pixels_and_colours_are_not_multiplied():
    augmentation = MattingAugmentation((32, 40), (1, 3))
    for seed in range(10):
        torch.manual_seed(seed)
        maps = cutout()
        maps[:3] = 0.7
        moved = augmentation.foreground(maps)
        assert moved.shape == (4, 32, 40)
        assert ((moved[3] > 0) & (moved[3] < 1)).any()
        solid = moved[:3, moved[3] > 0.5]
        assert solid.std(1).max() < 0.02  # one colour, however it was jittered


def test_the_same_state_draws_the_same():
    augmentation = MattingAugmentation((32, 40), (1, 9))
    results = []
    for _ in range(2):
        torch.manual_seed(4)
        moved = augmentation.foreground(cutout())
        results.append((moved, augmentation.trimap(moved[3])))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    widths = {augmentation.trimap(moved[3]).eq(128).sum().item() for _ in range(8)}
    assert len(widths) > 2


def test_one_foreground_over_another():
    front, back = torch.rand(4, 5, 6), torch.rand(4, 5, 6)
    back[3, 0], front[3, 0] = 0, 0
    both = over(front, back)
    ground = torch.rand(3, 5, 6)
    expected = back[:3] * back[3] + ground * (1 - back[3])
    expected = front[:3] * front[3] + expected * (1 - front[3])
    torch.testing.assert_close(both[:3] * both[3] + ground * (1 - both[3]), expected)
    assert both[3, 0].eq(0).all()
