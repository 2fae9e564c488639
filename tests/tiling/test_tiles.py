"""Tiles give the whole result: their borders, their memory, and what cannot be tiled."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unstride import create_upsampler
from unstride.tiling.peak_memory import peak_bytes
from unstride.tiling.tile_axis import TileAxis
from unstride.tiling.tiles import SAFETY_FACTOR, Tiles
from unstride.upsamplers import Cascade, Upsampler
from unstride.upsamplers.bilateral_stack import BilateralStack


def assembled(tiles, size):
    """The tiles put together; NaN where there was none, an error where there were two."""
    out, times = None, torch.zeros(size)
    for tile in tiles:
        if out is None:
            out = tile.features.new_full((*tile.features.shape[:2], *size), torch.nan)
        out[:, :, tile.rows, tile.columns] = tile.features
        times[tile.rows, tile.columns] += 1
    assert (times == 1).all()
    return out


class MeanWithinReach(Upsampler):
    """Gives each pixel the mean over the cells within `reach` of its own; records its calls."""

    def __init__(self, reach):
        super().__init__(1, 4)
        self.reach, self.calls = reach, []
        self.eval()

    def halo(self, grid, size, guide_size=None):
        return self.reach

    def forward(self, features, guide=None, size=None):
        if features.device.type != "meta":
            self.calls.append((tuple(features.shape[2:]), size))
        k = 2 * self.reach + 1
        sums = torch.nn.functional.avg_pool2d(features, k, 1, self.reach)
        return torch.nn.functional.interpolate(sums, size)


@pytest.mark.parametrize(
    ("cells", "pixels", "guide_pixels", "alignment"),
    [
        (12, 48, 96, 1),
        (12, 18, 96, 2),
        (12, 18, 16, 6),
        (12, 8, 12, 3),
        (7, 48, 7, 7),
    ],
)
def test_borders_are_whole_on_all_three_grids(cells, pixels, guide_pixels, alignment):
    axis = TileAxis(cells, pixels, guide_pixels, 1)
    assert axis.alignment == alignment
    for n_tiles in axis.useful_tile_counts():
        spans = axis.spans(n_tiles)
        assert len(spans) == n_tiles
        assert [s.start for s in spans[1:]] == [s.stop for s in spans[:-1]]
        assert (spans[0].start, spans[-1].stop) == (0, cells)
        for span in spans:
            for cell in span:
                assert cell * pixels % cells == 0
                assert cell * guide_pixels % cells == 0
                assert axis.output_pixel(cell) * cells == cell * pixels
                assert axis.guide_pixel(cell) * cells == cell * guide_pixels
            assert span.halo_start <= max(span.start - 1, 0)
            assert span.halo_stop >= min(span.stop + 1, cells)
        assert axis.max_cells(n_tiles) == max(s.halo_stop - s.halo_start for s in spans)
        assert axis.total_cells(n_tiles) == sum(s.halo_stop - s.halo_start for s in spans)


def test_a_tile_count_is_left_out_only_if_another_has_the_same_largest_tile():
    axis = TileAxis(20, 80, 80, 0)
    every_size = {axis.max_cells(n) for n in range(1, 21)}
    assert {axis.max_cells(n) for n in axis.useful_tile_counts()} == every_size
    assert axis.useful_tile_counts()[-1] == 20
    assert TileAxis(20, 80, 80, None).useful_tile_counts() == [1]


@pytest.mark.parametrize("limit", [40_000, 70_000])
def test_the_memory_limit_decides_how_many_tiles_there_are(limit):
    features, size = torch.randn(1, 1, 23, 17, dtype=torch.float64), (92, 68)
    up = MeanWithinReach(2)
    tiles = Tiles(up, features, None, size, memory_limit=limit)
    whole = up(features, size=size)
    up.calls.clear()
    assert torch.equal(assembled(tiles, size), whole)
    assert len(up.calls) == len(tiles) > 1
    largest = max(8 * out[0] * out[1] for _, out in up.calls)
    assert limit / 4 < 2 * largest < limit  # the result, and as much again for safety
    (again,) = Tiles(up, features, None, size, memory_limit=10**9)
    assert torch.equal(again.features, whole)


def test_tiles_overlap_and_stay_on_the_map():
    features, size = torch.randn(1, 1, 20, 20, dtype=torch.float64), (80, 80)
    up = MeanWithinReach(1)
    whole = up(features, size=size)
    tiles = Tiles(up, features, None, size, memory_limit=40_000, overlap=5)
    assert len(tiles) > 1
    for tile in tiles:
        y, x = tile.feature_slices
        assert torch.equal(tile.features, whole[:, :, y, x])
        assert y == slice(max(tile.rows.start - 5, 0), min(tile.rows.stop + 5, 80))
        assert x == slice(max(tile.columns.start - 5, 0), min(tile.columns.stop + 5, 80))


def test_what_cannot_be_cut_is_whole_or_refused():
    features, guide = torch.randn(1, 8, 12, 12), torch.rand(1, 3, 48, 48)
    for up in (create_upsampler("naf", 8, 4).eval(), torch.nn.Upsample((48, 48)).eval()):
        assert len(Tiles(up, features, guide, (48, 48))) == 1
    up = create_upsampler("naf", 8, 4).eval()
    with pytest.raises(ValueError, match=r"\d MB for NAF at 48 x 48 .*cannot be computed in ti"):
        Tiles(up, features, guide, (48, 48), memory_limit=10_000)
    with pytest.raises(ValueError, match="Bilinear at 48 x 48 pixels in the smallest tiles, but"):
        Tiles(
            create_upsampler("bilinear", 8, 4).eval(), features, guide, (48, 48), memory_limit=100
        )
    with pytest.raises(ValueError, match="upsampler must be in evaluation mode"):
        Tiles(MeanWithinReach(1).train(), features[:, :1], None, (48, 48), memory_limit=10_000)
    mixed = Cascade(create_upsampler("carafe", 8, 2), create_upsampler("dysample", 8, 2))
    assert mixed.halo((12, 12), (48, 48)) is None


def test_a_cascade_needs_what_its_last_stages_need_of_its_first():
    # Two cells of the middle grid are one of the first, and the first stage looks at two more.
    assert create_upsampler("carafe", 8, 4, stages=2).halo((12, 12), (48, 48)) == 3
    # A middle grid as fine as the result: its cells are those of the first.
    assert create_upsampler("carafe", 8, 4, stages=2).halo((12, 12), (12, 12)) == 4


class ThreeMaps(Upsampler):
    """Holds three maps of its output's size at the worst moment."""

    def __init__(self):
        super().__init__(1, 4)
        self.weight = torch.nn.Parameter(torch.ones(10**6))

    def forward(self, features, guide=None, size=None):
        one = torch.nn.functional.interpolate(features, size)
        two = one + 1
        three = one * two
        del one, two
        return three[:, :1].add_(self.weight[0]) + 0


def test_what_a_call_holds_is_counted_without_computing():
    features = torch.zeros(1, 2, 3, 5, dtype=torch.float64)
    each = 2 * 12 * 20 * 8
    assert peak_bytes(ThreeMaps(), features, None, (12, 20)) == 3 * each
    with torch.inference_mode():
        assert peak_bytes(ThreeMaps(), features.clone(), None, (12, 20)) == 3 * each


CHILD = """
import re, sys, torch
from pathlib import Path
from unstride import create_upsampler
from unstride.tiling.tiles import Tiles

def resident(what):
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(what + r":\\s+(\\d+)", status)[1]) * 1024

name, limit = sys.argv[1], int(sys.argv[2])
up = create_upsampler(name, 96, 16, guide_channels=3).eval()
features, guide = torch.randn(1, 96, 32, 40), torch.rand(1, 3, 512, 640)
with torch.inference_mode():
    up(features[:, :, :4, :4], guide[:, :, :64, :64], (64, 64))  # kernels are compiled
    tiles = Tiles(up, features, guide, (512, 640), memory_limit=limit)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
    for tile in tiles:
        assert tile.features.isfinite().all()
print(len(tiles), resident("VmHWM") - before)
"""


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("bilinear", 200_000_000), ("guided_filter", 120_000_000), ("carafe", 120_000_000),
    ],
)  # fmt: skip
def test_resident_memory_stays_within_the_limit(name, limit):
    """With freed memory given back at once; SAFETY_FACTOR is for what allocators keep."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of resident memory is read from /proc, which Linux has")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, name, str(limit)], capture_output=True, encoding="utf-8",
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"},
    )  # fmt: skip
    assert re.fullmatch(r"\d+ \d+\n", done.stdout), done.stderr
    count, peak = map(int, done.stdout.split())
    assert count > 1
    assert limit / 5 < peak < limit / SAFETY_FACTOR


def test_what_is_found_in_the_whole_guide_is_found_once():
    """Keys see further than any halo; tiles that looked for themselves would see other ones."""
    torch.manual_seed(0)
    up = BilateralStack(3, rounds=1).double().eval()
    torch.nn.init.normal_(up.keys.out.weight, std=2.0)
    features, guide = torch.randn(1, 3, 16, 12).double(), torch.rand(1, 3, 512, 384).double()
    whole, errors = up(features, guide, (64, 48)), []
    for limit in (10**12, None):
        tiles = Tiles(up, features, guide, (64, 48))
        tiles.tile_counts = 4, 1
        if limit:
            tiles._encode_guide(limit)
        of_tiles = [(t.features - whole[:, :, t.rows, t.columns]).abs().max() for t in tiles]
        assert len(of_tiles) == 4
        errors.append(max(of_tiles))
    assert errors[0] < 1e-12 < 1e-7 < errors[1]


def test_too_little_memory_for_the_guide_is_refused():
    up = BilateralStack(3, rounds=1).eval()
    features, guide = torch.randn(1, 3, 16, 12), torch.rand(1, 3, 512, 384)
    with pytest.raises(ValueError, match=r"memory must leave .* to encode the whole guide"):
        Tiles(up, features, guide, (64, 48), memory_limit=1000)
