"""A step down and a step up, around a body."""

import pytest
import torch

from tests.upsamplers.pixel_reference import randomised
from unstride.upsamplers import (
    A2UPair,
    IndexPair,
    Pair,
)
from unstride.upsamplers.by_name import create_pair

PAIRS = [
    ("blur", "bilinear"),
    ("max_pool", "max_unpool"),
    ("carafe_down", "fade"),
    ("attention_pool", "sapa"),
    ("index_down", "index"),
    ("a2u_down", "a2u"),
    ("index_down", "a2u"),
]


@pytest.mark.parametrize("grid", [(6, 10), (7, 9)], ids=str)
@pytest.mark.parametrize(("down", "up"), PAIRS)
def test_it_is_down_then_the_body_then_up_guided_by_what_came_in(down, up, grid):
    pair, fine = randomised(create_pair(down, up, 4)), torch.randn(2, 4, *grid).double()
    coarse_maps = []

    def body(coarse):
        coarse_maps.append(coarse)
        return 2 * coarse + 1

    out = pair(fine, body)
    torch.testing.assert_close(coarse_maps, [pair.down(fine)])
    if type(pair) is not Pair and grid == (7, 9):
        return  # a shared predictor runs on the grid of `fine`; `pair.up` alone would resize it
    guide = None if pair.up.guide_channels is None else fine
    torch.testing.assert_close(out, pair.up(2 * coarse_maps[0] + 1, guide, grid))


def test_two_of_a_kind_share_their_predictor():
    assert isinstance(create_pair("index_down", "index", 4), IndexPair)
    assert isinstance(create_pair("a2u_down", "a2u", 4), A2UPair)
    assert type(create_pair("a2u_down", "index", 4)) is Pair
    pair = create_pair("index_down", "index", 4, kind="holistic")
    assert pair.up.index is pair.down.index
    assert len(pair.down.index.branches) == 1


def test_options_are_the_upsamplers():
    assert create_pair("blur", "carafe", 4, kernel_size=3).up.kernel_size == 3
    with pytest.raises(ValueError, match="upsampler carafe has no option colour, only kernel_size"):
        create_pair("blur", "carafe", 4, colour=3)


def test_unknown_downsamplers_are_refused_with_the_known():
    with pytest.raises(ValueError, match=r"one of max_pool, .*, got 'none'"):
        create_pair("none", "carafe", 4)
