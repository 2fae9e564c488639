"""Ways to break tiling."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/tiling/memory_budget.py", ("tests/tiling/test_memory_budget.py",),
        ("memory: GiB is GB", "1024 ** ", "1000 ** "),
        (
            "memory: nothing is a size",
            "if size := int(float(number) * step):",
            "if (size := int(float(number) * step)) >= 0:",
        ),
        ("memory: what is in use is free", "else resident_memory())", "else 0)"),
        (
            "memory: all that is left",
            "int(SHARE * free_memory(device))",
            "int(free_memory(device))",
        ),
        ("memory: no groups", "*_left_in_groups(root)])", "])"),
        ("memory: its own group alone", "(group, *group.parents)", "(group,)"),
        ("memory: the cache is in use", "+ (int(cached[1]) if cached else 0)", ""),
        ("memory: less than nothing", "return max(int(most)", "return (lambda a, b: a)(int(most)"),
        (
            "memory: another controller's group",
            'number != "0" and "memory" not in controllers.split(",")',
            "False",
        ),
    ),
    *family(
        "unstride/tiling/padded_tiles.py", ("tests/tiling/test_padded_tiles.py",),
        (
            "pieces: the padding stays",
            "slice(min(s.start, n), min(s.stop, n))\n            for",
            "s\n            for",
        ),
        ("pieces: empty ones too", "if piece.features.numel():", "if True:"),
        ("pieces: too small a margin", "ceil(1.5 * max(1, *shrink) + 1)", "0"),
        (
            "pieces: resized beyond the image",
            "slice(min(window.start, n), min(window.stop, n))",
            "window",
        ),
        ("pieces: resized memory forgotten", "* resized", "* 0"),
        ("triangles: no antialias", "/ max(n / m, 1)", "/ 1"),
        ("triangles: half a pixel off", "+ 0.5) * (n / m)", "+ 0.0) * (n / m)"),
        (
            "triangles: sums differ at borders",
            "weights / weights.sum(1, keepdim=True)",
            "weights / max(n / m, 1)",
        ),
        ("covering: never cropped alone", "if all(n.is_integer() for n in scaled):", "if False:"),
    ),
    *family(
        "unstride/tiling/peak_memory.py", ("tests/tiling/test_tiles.py", "-k", "counted"),
        ("peak: what was given counts", "self.known[tensor.untyped_storage()] = True", "pass"),
        ("peak: views count", "        if storage in self.known:\n            return\n", ""),
        ("peak: nothing ends", "self.now -= size", "pass"),
        ("peak: all in inference mode", "torch.inference_mode(False), ", ""),
        ("peak: what is left, not the peak", "return living.most", "return living.now"),
    ),
    *family(
        "unstride/tiling/tile_axis.py", ("tests/tiling/test_tiles.py", "-k", "whole or way or room"),
        (
            "cut: the guide's pixels may be cut",
            "for n in (self.pixels, self.seen)",
            "for n in (self.pixels,)",
        ),
        (
            "cut: the result's pixels may be cut",
            "for n in (self.pixels, self.seen)",
            "for n in (self.seen,)",
        ),
        ("cut: a tile without its halo", "max(a - margin, 0), min(b + margin, self.cells)", "a, b"),
        ("cut: a halo beyond the map", "max(a - margin, 0)", "a - margin"),
        ("cut: half a halo", "-(-self.halo // step) * step", "self.halo // step * step"),
        ("cut: some ways left out", "range(1, units + 1)", "range(1, units)"),
        ("cut: what cannot be cut is", "return [1]", "return [1, 2]"),
        ("cut: the smallest is the largest", "return max(span.end", "return min(span.end"),
        ("cut: the largest is the total", "return sum(span.end", "return max(span.end"),
    ),
    *family(
        "unstride/tiling/tiles.py", ("tests/tiling/test_tiles.py", "tests/tiling/test_padded_tiles.py", "-k", "not resident"),
        ("tiles: the halo stays", "y.start - top : y.stop - top", "0 : y.stop - y.start"),
        (
            "tiles: margins beyond the map",
            "max(axis.pixel(s.start) - margin, 0)",
            "axis.pixel(s.start) - margin",
        ),
        ("tiles: no halo for the margin", "halo += cells_under(margin, grid, size)", "halo += 0"),
        (
            "tiles: the guide of another place",
            "slice(axis.seen_pixel(s.start), axis.seen_pixel(s.stop))",
            "slice(0, axis.seen_pixel(s.stop) - axis.seen_pixel(s.start))",
        ),
        ("tiles: an enlarged guide is not seen", "halo + cells_under(1, grid, seen)", "halo"),
        (
            "tiles: most cells first",
            'key=lambda n: (over_axes("total", n), prod(n))',
            'key=lambda n: (-over_axes("total", n), prod(n))',
        ),
        ("tiles: any room will do", "self._bytes(parts) <= room:", "True:"),
        ("tiles: no safety", "SAFETY * peak + min(2 * peak, HEAP)", "peak"),
        ("tiles: the caller's bytes forgotten", "(self.beside + kept)", "kept"),
        ("tiles: in training too", "len(self) > 1 and upsampler.training", "False"),
        ("tiles: any module is cut", "if not isinstance(upsampler, Upsampler):", "if False:"),
    ),
]
