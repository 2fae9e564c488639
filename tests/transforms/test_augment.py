"""Everything that is known of a pixel moves with it."""

import pytest
import torch
from torchvision import tv_tensors

from unstride.transforms.augment import colour_jitter, scale_crop_augmentation
from unstride.transforms.pixel_maps import CoordinateMap, DepthMap
from unstride.transforms.pure_tensors import to_pure_tensors

SIZE = 24, 40


def sample():
    """Each pixel's place, said by a photograph, by classes and by coordinates."""
    coordinates = CoordinateMap.identity(*SIZE)
    x, y = coordinates.as_subclass(torch.Tensor)
    image = tv_tensors.Image(torch.stack([x / 100, y / 100, 0 * x]))
    classes = tv_tensors.Mask((x.floor() + 40 * y.floor()).long() % 251)
    return image, classes, coordinates, DepthMap(x[None])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("crop", [(16, 16), (40, 64), (12, 60)])
def test_photograph_classes_depth_and_coordinates_stay_together(crop, seed):
    torch.manual_seed(seed)
    transform = scale_crop_augmentation(crop, base_size=SIZE, scales=(1.0, 1.0))
    image, classes, coordinates, depth = to_pure_tensors(transform(*sample()))
    assert image.shape[1:] == classes.shape == coordinates.shape[1:] == depth.shape[1:] == crop
    x, y = coordinates
    inside = ~x.isnan()
    assert inside.sum() == min(crop[0], SIZE[0]) * min(crop[1], SIZE[1])
    torch.testing.assert_close(image[0, inside], x[inside] / 100)
    torch.testing.assert_close(image[1, inside], y[inside] / 100)
    assert torch.equal(depth[0, inside], x[inside])
    expected = (x.nan_to_num().floor() + 40 * y.nan_to_num().floor()).long() % 251
    assert torch.equal(classes, expected.where(inside, 255))
    assert (image[:, ~inside] == 0.45).all()
    assert (depth[:, ~inside] == 0).all()


def test_a_photograph_just_fits_its_base_at_factor_one():
    across = sample()[0]
    upright = tv_tensors.Image(across.mT)
    for base in ((12, 99), (99, 12), (20, 20)):
        transform = scale_crop_augmentation((96, 96), base_size=base, scales=(1.0, 1.0), flip=False)
        for image, sides in ((across, [12, 20]), (upright, [20, 12])):
            seen = (transform(image)[2] == 0).nonzero()
            assert (seen.amax(0) - seen.amin(0) + 1).tolist() == sides


def test_factors_lie_between_the_two_and_differ():
    transform = scale_crop_augmentation((8, 8), base_size=SIZE, scales=(0.5, 2.0)).transforms[0]
    sides = []
    for _ in range(40):
        height, width = transform(sample()[0]).shape[1:]
        assert abs(height * SIZE[1] - width * SIZE[0]) <= SIZE[1]
        sides.append(height)
    assert 12 <= min(sides) < 18
    assert 30 < max(sides) <= 48


def test_half_of_them_are_mirrored():
    turned = 0
    for seed in range(60):
        torch.manual_seed(seed)
        x = to_pure_tensors(scale_crop_augmentation(SIZE, scales=(1.0, 1.0))(*sample()))[2][0]
        turned += int(x[0, 0] > x[0, -1])
    assert 18 < turned < 42


def test_colours_change_and_labels_do_not():
    torch.manual_seed(0)
    image, classes, *_ = sample()
    recoloured, same, *_ = scale_crop_augmentation(SIZE, scales=(1.0, 1.0), flip=False, colour=0.5)(
        image, classes
    )
    assert torch.equal(same, classes)
    assert not torch.allclose(recoloured, image, atol=0.01)


def test_the_hue_turns_as_far_as_is_said():
    red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)

    def hue_change(**options):
        jitter = colour_jitter(0.0, **options)
        colours = torch.stack([jitter(red) for _ in range(50)])
        return 1 - colours[:, 0].mean(), colours[:, 1:].amax()  # of a sixth of the circle

    assert hue_change() == (0, 0)
    away, farthest = hue_change(hue=0.1)
    assert away == 0  # red stays the most of it within a sixth
    assert 0.5 < farthest <= 0.6


def test_a_share_of_photographs_is_recoloured():
    jitter, image = colour_jitter(0.5, probability=0.25), sample()[0]
    changed = sum(not torch.equal(jitter(image), image) for _ in range(100))
    assert 10 < changed < 42  # four deviations about 25


def test_what_stands_beyond_can_be_said():
    transform = scale_crop_augmentation((96, 96), scales=(0.2, 0.2), fill={tv_tensors.Mask: 0.0})
    ones = tv_tensors.Mask(torch.ones(SIZE, dtype=torch.uint8))
    assert set(transform(sample()[0], ones)[1].unique().tolist()) == {0, 1}


def test_nothing_is_left_of_the_wrapping():
    found = to_pure_tensors({"a": [sample()[0], 3], "b": (sample()[1],)})
    assert type(found["a"][0]) is type(found["b"][0]) is torch.Tensor
    assert found["a"][1] == 3
