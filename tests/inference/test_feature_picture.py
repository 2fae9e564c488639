"""A picture of tiles: the same colours however the features are cut, and no copy of them."""

import re
from pathlib import Path

import pytest
import torch

from unstride.inference.feature_picture import FeaturePicture
from unstride.tiling.tiles import Tile
from unstride.viz import PCAColours


def tile_of(features, rows, columns):
    return Tile(rows, columns, (rows, columns), features[:, :, rows, columns])


def test_tiles_have_the_colours_of_the_whole():
    coarse, fine = torch.randn(1, 6, 5, 7), torch.randn(1, 6, 90, 70)
    picture = FeaturePicture(coarse, (90, 70))
    for rows in (slice(0, 40), slice(40, 90)):
        for columns in (slice(0, 9), slice(9, 70)):
            picture.add_tile(tile_of(fine, rows, columns))
    torch.testing.assert_close(picture.fine_colours, PCAColours(coarse)(fine))
    row = picture.compose(torch.rand(1, 3, 90, 70), (100, 140), "coarse", "fine")
    assert row.shape[0] == 3
    assert row.shape[2] > 3 * 0.7 * row.shape[1]


def test_colours_are_found_without_a_copy_of_the_features():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of resident memory is read from /proc, which Linux has")

    def resident(what):
        return 1024 * int(
            re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))[1]
        )

    to_colours, features = PCAColours(torch.randn(1, 64, 9, 9)), torch.zeros(1, 64, 800, 1000)
    to_colours(features[:, :, :20])
    used_before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
    to_colours(features)
    assert resident("VmHWM") - used_before < features.nbytes / 4
