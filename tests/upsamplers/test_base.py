"""Cascades, sub-pixels and frozen predictions."""

import pytest
import torch

from tests.upsamplers.pixel_reference import map_of_pixels, randomised, source_pixel, sub_pixel
from unstride.analysis.freeze import frozen_predictions
from unstride.upsamplers import (
    FADE,
    CarafeUpsample,
    Cascade,
    Downsampler,
    DySample,
    SpatialAttention,
)
from unstride.upsamplers.by_name import (
    create_downsampler,
    create_pair,
    create_upsampler,
    list_downsamplers,
    list_upsamplers,
)
from unstride.upsamplers.resize import (
    resize_nearest,
    shuffle_to_size,
)


def test_a_cascade_is_its_stages_one_after_the_other():
    first, second, third = (
        randomised(CarafeUpsample(3)),
        randomised(FADE(3)),
        randomised(DySample(3, groups=1)),
    )
    features, guide = torch.randn(1, 3, 3, 5).double(), torch.randn(1, 3, 24, 40).double()
    up = Cascade(first, second, third)
    assert (up.scale, up.channels, up.guide_channels) == (8, 3, 3)
    by_hand = third(second(first(features), guide))
    torch.testing.assert_close(up(features, guide), by_hand)
    wide = third(second(first(features), guide), size=(25, 43))
    torch.testing.assert_close(up(features, guide, (25, 43)), wide)


def test_a_cascade_goes_no_finer_than_the_size_on_its_way():
    first, second, third = (randomised(CarafeUpsample(3)) for _ in range(3))
    features = torch.randn(1, 3, 3, 5).double()
    by_hand = third(second(first(features, size=(6, 9)), size=(7, 9)), size=(7, 9))
    torch.testing.assert_close(Cascade(first, second, third)(features, size=(7, 9)), by_hand)


def test_stages_must_multiply_to_the_scale_and_guides_agree():
    assert len(create_upsampler("carafe", 3, 16, stages=4).upsamplers) == 4
    assert create_upsampler("carafe", 3, 27, stages=3).scale == 27
    with pytest.raises(ValueError, match="whole number to the power of stages=2, got 8"):
        create_upsampler("carafe", 3, 8, stages=2)
    with pytest.raises(
        ValueError, match=r"guide_channels must be the same in all .*, got \[3, 4\]"
    ):
        Cascade(FADE(3), FADE(4))


@pytest.mark.parametrize("size", [(6, 10), (9, 15), (7, 9), (4, 3)], ids=str)
def test_predictions_for_sub_pixels_are_laid_out_by_rows_and_columns(size):
    maps = torch.randn(1, 18, 3, 5)

    def pixel(y, x):
        (i, u), (j, v) = sub_pixel(y, 3, size[0], 3), sub_pixel(x, 5, size[1], 3)
        return maps[0, u * 3 + v :: 9, i, j]

    assert torch.equal(shuffle_to_size(maps, 3, size)[0], map_of_pixels(pixel, size))


def test_a_centre_on_the_edge_of_two_pixels_lies_in_the_second():
    """In whole numbers for any two sizes; floating point misses one edge in five hundred."""
    for n_in in range(1, 60):
        maps = torch.arange(float(n_in)).view(1, 1, n_in, 1)
        for n_out in (*range(1, 130), 2 * n_in, 3 * n_in):
            expected = [source_pixel(y, n_in, n_out) for y in range(n_out)]
            for transposed in (False, True):
                given, size = (maps.mT, (1, n_out)) if transposed else (maps, (n_out, 1))
                assert resize_nearest(given, size).flatten().tolist() == expected, (n_in, n_out)


def test_frozen_predictions_thaw_after_an_exception_and_may_be_nested():
    up = torch.nn.Sequential(Cascade(CarafeUpsample(3), DySample(3, groups=1)), SpatialAttention(3))
    features = torch.randn(1, 3, 3, 5)

    def learns():
        return up(features).requires_grad

    with pytest.raises(ValueError, match="features must be"), frozen_predictions(up):
        up(features[:, :2])
    assert learns()
    with frozen_predictions(up):
        with frozen_predictions(up[0]):
            assert not learns()
        assert not learns()
    assert learns()
    assert not [n for m in up.modules() for n in vars(m) if n.startswith("predict_")]


@pytest.mark.parametrize(
    ("down", "up"), [("index_down", "index"), ("a2u_down", "a2u"), ("carafe_down", "carafe")]
)
def test_a_frozen_pair_is_linear_in_what_comes_in(down, up):
    """Then the gradient, applied to the features, gives the pixel again."""
    pair, fine = randomised(create_pair(down, up, 4)), torch.randn(1, 4, 6, 10).double()
    fine.requires_grad_()
    with frozen_predictions(pair):
        out = pair(fine)[0, 1, 2, 3]
        (weights,) = torch.autograd.grad(out, fine)
    torch.testing.assert_close((weights * fine).sum(), out)


OPERATORS = [(create_upsampler, name) for name in list_upsamplers()]
OPERATORS += [(create_downsampler, name) for name in list_downsamplers()]
every_operator = pytest.mark.parametrize(("create", "name"), OPERATORS)


def call(operator, features, size=None):
    """Call an upsampler with a guide that fits it, or a downsampler."""
    if isinstance(operator, Downsampler):
        return operator(features, size)
    return operator(features, torch.rand(2, operator.guide_channels or 3, 8, 12), size)


@every_operator
def test_features_that_do_not_fit_the_parameters_are_refused(create, name):
    operator, size = create(name, 8, 2).eval(), (5, 4)
    for channels in (4, 12, 16):
        features = torch.randn(2, channels, 4, 6)
        if operator.fixed_channels:
            with pytest.raises(
                ValueError, match=r"features must be \(batch, 8, height, width\) fo"
            ):
                call(operator, features, size)
        else:
            assert call(operator, features, size).shape == (2, channels, *size)
    with pytest.raises((ValueError, TypeError), match="features"):  # the latter in `make test`
        call(operator, torch.randn(8, 4, 6), size)


@every_operator
@pytest.mark.parametrize("size", [448, (448,), (4, 3, 2), (0, 3), (4.0, 3), "44", None], ids=str)
def test_a_size_is_a_pair(create, name, size):
    operator, features = create(name, 8, 2).eval(), torch.randn(2, 8, 4, 6)
    if size is None:
        assert call(operator, features, [5, 4]).shape == (2, 8, 5, 4)
        return
    with pytest.raises(ValueError, match=r"size must be \(height, width\) in pixels, got"):
        call(operator, features, size)


def test_whole_numbers_are_no_features():
    with pytest.raises(
        ValueError, match=r"features must have a floating-point type, got torch\.uint8"
    ):
        create_upsampler("carafe", 8)(torch.zeros(1, 8, 4, 6, dtype=torch.uint8))
