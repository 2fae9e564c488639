"""Tiles are the whole: where they are cut, what they hold at once, and what cannot be cut."""

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
    """The pieces put together; NaN where there was none, an error where there were two."""
    out, times = None, torch.zeros(size)
    for piece in tiles:
        if out is None:
            out = piece.features.new_full((*piece.features.shape[:2], *size), torch.nan)
        out[:, :, piece.rows, piece.columns] = piece.features
        times[piece.rows, piece.columns] += 1
    assert (times == 1).all()
    return out


class Where(Upsampler):
    """Of each pixel the mean over the cells within `reach` of its own; notes what it is given."""

    def __init__(self, reach):
        super().__init__(1, 4)
        self.reach, self.calls = reach, []
        self.eval()

    def halo(self, grid, size, seen=None):
        return self.reach

    def forward(self, features, guide=None, size=None):
        if features.device.type != "meta":
            self.calls.append((tuple(features.shape[2:]), size))
        k = 2 * self.reach + 1
        sums = torch.nn.functional.avg_pool2d(features, k, 1, self.reach)
        return torch.nn.functional.interpolate(sums, size)


@pytest.mark.parametrize(
    ("cells", "pixels", "seen", "step"),
    [
        (12, 48, 96, 1),
        (12, 18, 96, 2),
        (12, 18, 16, 6),
        (12, 8, 12, 3),
        (7, 48, 7, 7),
    ],
)
def test_borders_are_whole_on_all_three_grids(cells, pixels, seen, step):
    axis = TileAxis(cells, pixels, seen, 1)
    assert axis.step == step
    for parts in axis.ways():
        spans = axis.cut(parts)
        assert len(spans) == parts
        assert [s.start for s in spans[1:]] == [s.stop for s in spans[:-1]]
        assert (spans[0].start, spans[-1].stop) == (0, cells)
        for span in spans:
            for cell in span:
                assert cell * pixels % cells == 0
                assert cell * seen % cells == 0
                assert axis.pixel(cell) * cells == cell * pixels
                assert axis.seen_pixel(cell) * cells == cell * seen
            assert span.first <= max(span.start - 1, 0)
            assert span.end >= min(span.stop + 1, cells)
        assert axis.longest(parts) == max(s.end - s.first for s in spans)
        assert axis.total(parts) == sum(s.end - s.first for s in spans)


def test_a_way_to_cut_is_left_out_only_if_another_has_the_same_largest_tile():
    axis = TileAxis(20, 80, 80, 0)
    every = {axis.longest(n) for n in range(1, 21)}
    assert {axis.longest(n) for n in axis.ways()} == every
    assert axis.ways()[-1] == 20
    assert TileAxis(20, 80, 80, None).ways() == [1]


@pytest.mark.parametrize("room", [40_000, 70_000])
def test_the_room_decides_how_many_tiles_there_are(room):
    features, size = torch.randn(1, 1, 23, 17, dtype=torch.float64), (92, 68)
    up = Where(2)
    tiles = Tiles(up, features, None, size, room=room)
    whole = up(features, size=size)
    up.calls.clear()
    assert torch.equal(assembled(tiles, size), whole)
    assert len(up.calls) == len(tiles) > 1
    largest = max(8 * out[0] * out[1] for _, out in up.calls)
    assert room / 4 < 2 * largest < room  # the result, and as much again for safety
    (again,) = Tiles(up, features, None, size, room=10**9)
    assert torch.equal(again.features, whole)


def test_margins_overlap_and_stay_on_the_map():
    features, size = torch.randn(1, 1, 20, 20, dtype=torch.float64), (80, 80)
    up = Where(1)
    whole = up(features, size=size)
    tiles = Tiles(up, features, None, size, room=40_000, margin=5)
    assert len(tiles) > 1
    for piece in tiles:
        y, x = piece.window
        assert torch.equal(piece.features, whole[:, :, y, x])
        assert y == slice(max(piece.rows.start - 5, 0), min(piece.rows.stop + 5, 80))
        assert x == slice(max(piece.columns.start - 5, 0), min(piece.columns.stop + 5, 80))


def test_what_cannot_be_cut_is_whole_or_refused():
    features, guide = torch.randn(1, 8, 12, 12), torch.rand(1, 3, 48, 48)
    for up in (create_upsampler("naf", 8, 4).eval(), torch.nn.Upsample((48, 48)).eval()):
        assert len(Tiles(up, features, guide, (48, 48))) == 1
    up = create_upsampler("naf", 8, 4).eval()
    with pytest.raises(ValueError, match=r"\d MB for NAF at 48 x 48 .*cannot be computed in ti"):
        Tiles(up, features, guide, (48, 48), room=10_000)
    with pytest.raises(ValueError, match="Bilinear at 48 x 48 pixels in the smallest tiles, but"):
        Tiles(create_upsampler("bilinear", 8, 4).eval(), features, guide, (48, 48), room=100)
    with pytest.raises(ValueError, match="upsampler must be in evaluation mode"):
        Tiles(Where(1).train(), features[:, :1], None, (48, 48), room=10_000)
    mixed = Cascade(create_upsampler("carafe", 8, 2), create_upsampler("dysample", 8, 2))
    assert mixed.halo((12, 12), (48, 48)) is None


def test_a_cascade_needs_what_its_last_stages_need_of_its_first():
    # Two cells of the middle grid are one of the first, and the first stage looks at two more.
    assert create_upsampler("carafe", 8, 4, stages=2).halo((12, 12), (48, 48)) == 3
    # A middle grid as fine as the result: its cells are those of the first.
    assert create_upsampler("carafe", 8, 4, stages=2).halo((12, 12), (12, 12)) == 4


class Known(Upsampler):
    """Holds three maps of its output's size at the worst moment."""

    def __init__(self):
        super().__init__(1, 4)
        self.some = torch.nn.Parameter(torch.ones(10**6))

    def forward(self, features, guide=None, size=None):
        one = torch.nn.functional.interpolate(features, size)
        two = one + 1
        three = one * two
        del one, two
        return three[:, :1].add_(self.some[0]) + 0


def test_what_a_call_holds_is_counted_without_computing():
    features = torch.zeros(1, 2, 3, 5, dtype=torch.float64)
    each = 2 * 12 * 20 * 8
    assert peak_bytes(Known(), features, None, (12, 20)) == 3 * each
    with torch.inference_mode():
        assert peak_bytes(Known(), features.clone(), None, (12, 20)) == 3 * each


CHILD = """
import re, sys, torch
from pathlib import Path
from unstride import create_upsampler
from unstride.tiling.tiles import Tiles

def resident(what):
    return int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

name, room = sys.argv[1], int(sys.argv[2])
up = create_upsampler(name, 96, 16, guide_channels=3).eval()
features, guide = torch.randn(1, 96, 32, 40), torch.rand(1, 3, 512, 640)
with torch.inference_mode():
    up(features[:, :, :4, :4], guide[:, :, :64, :64], (64, 64))  # kernels are compiled
    tiles = Tiles(up, features, guide, (512, 640), room=room)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    for piece in tiles:
        assert piece.features.isfinite().all()
print(len(tiles), resident("VmHWM") - before)
"""


@pytest.mark.parametrize("room", [120_000_000, 200_000_000])
@pytest.mark.parametrize("name", ["bilinear", "joint_bilateral", "guided_filter", "carafe"])
def test_resident_memory_stays_within_the_room(name, room):
    """With what is freed given back at once; SAFETY is for what allocators keep, which varies."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of resident memory is read from /proc, which Linux has")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, name, str(room)], capture_output=True, text=True,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"},
    )  # fmt: skip
    assert re.fullmatch(r"\d+ \d+\n", done.stdout), done.stderr
    count, peak = map(int, done.stdout.split())
    assert count > 1
    assert room / 5 < peak < room / SAFETY_FACTOR


def test_what_is_found_in_the_whole_guide_is_found_once():
    """Keys see further than any halo; tiles that looked for themselves would see other ones."""
    torch.manual_seed(0)
    up = BilateralStack(3, rounds=1).double().eval()
    torch.nn.init.normal_(up.keys.out.weight, std=2.0)
    features, guide = torch.randn(1, 3, 16, 12).double(), torch.rand(1, 3, 512, 384).double()
    whole, known = up(features, guide, (64, 48)), []
    for room in (10**12, None):
        tiles = Tiles(up, features, guide, (64, 48))
        tiles.parts = 4, 1
        if room:
            tiles._describe(room)
        pieces = [(p.features - whole[:, :, p.rows, p.columns]).abs().max() for p in tiles]
        assert len(pieces) == 4
        known.append(max(pieces))
    assert known[0] < 1e-12 < 1e-7 < known[1]


def test_no_room_to_look_at_the_guide_is_told():
    up = BilateralStack(3, rounds=1).eval()
    features, guide = torch.randn(1, 3, 16, 12), torch.rand(1, 3, 512, 384)
    with pytest.raises(ValueError, match=r"memory must leave .* to look at the whole guide"):
        Tiles(up, features, guide, (64, 48), room=1000)
