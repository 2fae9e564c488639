"""Two views of an image: whatever moves pixels moves their coordinates alike."""

import pytest
import torch
from torch.nn.functional import grid_sample

from unstride.transforms.pixel_maps import CoordinateMap
from unstride.transforms.two_views import RandomView, TwoViews, ViewOptions

HEIGHT, WIDTH = 90, 140


def smooth_image():
    """Each channel a slow wave, so that sampling it anywhere has a small error."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) / HEIGHT, torch.arange(WIDTH) / WIDTH, indexing="ij")
    return torch.stack([(3 * x).sin(), (3 * y).cos(), (2 * (x + y)).sin()]) / 2 + 0.5


def sampled(image, coordinates):
    """The image at coordinates in its pixels, pixel i covering [i, i + 1)."""
    size = torch.tensor([WIDTH, HEIGHT])[:, None, None]
    grid = (2 * coordinates / size - 1).permute(1, 2, 0)[None]
    return grid_sample(image[None], grid, "bilinear", "border", align_corners=False)[0]


@pytest.mark.parametrize(
    "changes",
    [{}, {"rotation": 40.0}, {"elastic": 60.0}, {"rotation": 20.0, "elastic": 40.0}],
    ids=str,
)
def test_each_pixel_shows_what_is_at_its_coordinates(changes):
    """The image is smooth, so resampling twice and once differ by little."""
    image = smooth_image()
    options = ViewOptions((48, 64), (0.2, 0.9), **changes)
    view = RandomView(options)
    for seed in range(8):
        torch.manual_seed(seed)
        shown, coordinates = view(image)
        known = coordinates.isfinite().all(0)
        assert known.float().mean() > 0.5
        error = (shown - sampled(image, coordinates.nan_to_num())).abs()
        assert error[:, known].max() < 0.02
        assert coordinates[:, known].min() >= 0
        assert (coordinates[0, known] <= WIDTH).all()
        assert (coordinates[1, known] <= HEIGHT).all()


def test_a_crop_has_the_coordinates_of_the_resized_map():
    whole = CoordinateMap.identity(HEIGHT, WIDTH)
    cropped = whole[:, 10:50, 20:80]
    expected = CoordinateMap.resize_values(cropped.as_subclass(torch.Tensor), (12, 30))
    found = CoordinateMap.of_crop(10, 20, 40, 60, (12, 30))
    torch.testing.assert_close(found.as_subclass(torch.Tensor), expected, rtol=0, atol=1e-4)


def test_views_are_in_range_different_and_repeatable():
    make = TwoViews(ViewOptions((32, 40)))
    image = torch.rand(3, HEIGHT, WIDTH)
    torch.manual_seed(0)
    first = make(image)
    torch.manual_seed(0)
    again = make(image)
    assert first["images"].shape == (2, 3, 32, 40)
    assert first["coordinates"].shape == (2, 2, 32, 40)
    assert first["image_size"].tolist() == [HEIGHT, WIDTH]
    assert first["images"].min() >= 0
    assert first["images"].max() <= 1
    assert not torch.equal(*first["images"])
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_colours_changed_later_are_those_changed_at_once():
    images = torch.rand(3, 3, HEIGHT, WIDTH)
    at_once, later = (TwoViews(ViewOptions((32, 40)), recolour=now) for now in (True, False))
    expected, found = [], []
    for seed, image in enumerate(images):
        torch.manual_seed(seed)
        expected.append(at_once(image))
        torch.manual_seed(seed)
        found.append(later(image))
    batches = [
        {key: torch.stack([s[key] for s in samples]) for key in found[0]}
        for samples in (expected, found)
    ]
    assert not torch.equal(batches[0]["images"], batches[1]["images"])
    state = torch.get_rng_state()
    recoloured = later.recolour_batch(batches[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(recoloured[key], batches[0][key]) for key in recoloured)


def test_the_two_views_differ_in_blur_and_solarisation():
    first, second = TwoViews(ViewOptions((32, 32))).views
    assert (first.options.blur_probability, second.options.blur_probability) == (1.0, 0.1)
    assert (first.options.solarise_probability, second.options.solarise_probability) == (0.0, 0.2)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2)])
def test_images_of_any_size(size):
    views = TwoViews(ViewOptions((32, 32)))(torch.rand(3, *size))
    assert views["images"].isfinite().all()
