"""Ways to break viz."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/viz/boxes.py", ("tests/viz/test_overlays.py",),
        ("labels from 0", 'int(found["labels"][i]) - 1', 'int(found["labels"][i]) % 3'),
        (
            "the worst on top",
            "argsort(descending=True, stable=True)",
            "argsort(descending=False, stable=True)",
        ),
        ("half is outside", ">= 0.5] = place", "> 0.5] = place"),
        ("names cover names", " and not any(_overlap(place, other) for other in taken)", ""),
        ("names beyond the edge", "x = min(max(x, 0), max(width - wide, 0))", "x = x"),
        ("names above the edge", "if 0 <= y <= height - high and", "if y <= height - high and"),
    ),
    *family(
        "unstride/viz/classes.py", ("tests/viz/test_overlays.py",),
        ("all classes", " if area[i]]", "]"),
        ("the smallest first", "descending=True, stable=True", "descending=False, stable=True"),
        (
            "truth is not named",
            "class_entries([truth, found], classes)",
            "class_entries([found], classes)",
        ),
        ("the truth twice", "for labels in (truth, found))", "for labels in (truth, truth))"),
        ("opacity ignored", "palette(classes), opacity=opacity)", "palette(classes))"),
    ),
    *family(
        "unstride/viz/depth.py", ("tests/viz/test_maps.py",),
        (
            "far is light",
            "LIGHTNESS[0] + at * (LIGHTNESS[1] - LIGHTNESS[0])",
            "LIGHTNESS[1] + at * (LIGHTNESS[0] - LIGHTNESS[1])",
        ),
        (
            "beyond what screens show",
            "CHROMAS = 0.12, 0.155, 0.185, 0.19,",
            "CHROMAS = 0.12, 0.155, 0.3, 0.3,",
        ),
        (
            "equal differences",
            "(torch.where(known, depth, near) / near).log() / log(far / near)",
            "(torch.where(known, depth, near) - near) / (far - near)",
        ),
        ("wraps beyond the span", "colour_map(share.clamp(0, 1))", "colour_map(share % 1)"),
        ("unknown is near", "return torch.where(known, colours, UNKNOWN)", "return colours"),
        ("unknown counts", "depth[(depth > 0) & depth.isfinite()]", "depth[depth >= 0]"),
        ("the whole span", "for share in (USUAL, 1 - USUAL))", "for share in (0, 1))"),
        ("ticks beyond", "if near <= s * t <= far]", "if near <= s * t]"),
        (
            "the scale turned",
            "colour_map(torch.linspace(0, 1, long))",
            "colour_map(torch.linspace(1, 0, long))",
        ),
    ),
    *family(
        "unstride/viz/footprint.py", ("tests/viz/test_footprint.py",),
        ("dots: at the cell's corner", "((x + 0.5) * cw - left)", "(x * cw - left)"),
        ("dots: rows for columns", "for y, x in (weights", "for x, y in (weights"),
        ("dots: the radius is the share", "full * math.sqrt(abs(share))", "full * abs(share)"),
        ("dots: one colour", "RED if share > 0 else BLUE", "RED"),
        ("dots: the box is not used", "bottom = box or", "bottom = None or"),
        (
            "dots: the ring is half a cell off",
            "(point[0] - left) * zoom",
            "(point[0] + 5 - left) * zoom",
        ),
        ("closer: every cell counts", "VISIBLE * float", "0 * float"),
        ("closer: beyond the grid", "min(max(start, 0.0), room)", "start"),
        (
            "closer: point forgotten",
            "(min(place, *ends), max(place, *ends))",
            "(min(ends), max(ends))",
        ),
    ),
    *family(
        "unstride/viz/label_overlay.py", ("tests/viz/test_overlays.py",),
        (
            "the other way round",
            "torch.lerp(image, chosen, opacity)",
            "torch.lerp(chosen, image, opacity)",
        ),
        (
            "the last colour for all others",
            "torch.where(inside, torch.lerp",
            "torch.where(inside | True, torch.lerp",
        ),
        ("255 is the last class", "& (numbers < len(colours))", ""),
        ("no lines across", "found[:-1] |= numbers[:-1] != numbers[1:]", "pass"),
        ("no lines down", "found[:, :-1] |= numbers[:, :-1] != numbers[:, 1:]", "pass"),
        ("lines too wide", "range(1, width)", "range(width)"),
        ("rows alone widen", "((found, thin), (found.T, thin.T))", "((found, thin),)"),
    ),
    *family(
        "unstride/viz/legend.py", ("tests/viz/test_overlays.py",),
        ("one line", "if x > margin and x + long > width - margin:", "if False:"),
        (
            "one chip too few",
            "for (name, colour), (x, y) in zip(entries, places, strict=True):",
            "for (name, colour), (x, y) in list(zip(entries, places, strict=True))[:-1]:",
        ),
    ),
    *family(
        "unstride/viz/normals.py", ("tests/viz/test_maps.py",),
        ("y is down", "[1.0, -1.0, -1.0]", "[1.0, 1.0, -1.0]"),
        ("z is away", "[1.0, -1.0, -1.0]", "[1.0, -1.0, 1.0]"),
    ),
    *family(
        "unstride/viz/oklab.py", ("tests/viz/test_palette.py",),
        (
            "linear",
            "linear = torch.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)",
            "linear = seen",
        ),
        ("no cones", "(linear @ CONES.T)", "linear"),
        ("square root", "** (1 / 3) @ AXES.T", "** (1 / 2) @ AXES.T"),
        ("another way back", "torch.linalg.inv(AXES).T) ** 3", "torch.linalg.inv(AXES).T) ** 2"),
    ),
    *family(
        "unstride/viz/palette.py", ("tests/viz/test_palette.py",),
        (
            "far from the last one only",
            "nearest = torch.minimum(nearest, (seen - seen[place]).norm(dim=1))",
            "nearest = (seen - seen[place]).norm(dim=1)",
        ),
        ("any grey", "_within(chroma, CHROMA)", "(chroma < CHROMA[1])"),
        ("neon", "_within(chroma, CHROMA)", "(chroma > CHROMA[0])"),
        (
            "a part of a data set",
            "if set(classes) == set(known):",
            "if classes and set(classes) <= set(known):",
        ),
        ("none has its own", "if set(classes) == set(known):", "if False:"),
        ("all shades alike", "torch.arange(n)[:, None]", "0 * torch.arange(n)[:, None]"),
        ("the first is a shade", "+ 0.5) % 1 * 2 - 1", "+ 0.7) % 1 * 2 - 1"),
    ),
    *family(
        "unstride/viz/palette.py", ("tests/viz/test_overlays.py",),
        ("objects alike", "shades(base[number], len(places))", "base[number]"),
    ),
    *family(
        "unstride/viz/panoptic.py", ("tests/viz/test_overlays.py",),
        ("void is painted", "torch.where(listed[place] == ids, place, -1)", "place"),
        ("the order of the dictionary", "known = sorted(classes_of)", "known = list(classes_of)"),
        ("not counted", "if many == 1 else", "if many else"),
    ),
    *family(
        "unstride/viz/rows.py", ("tests/viz/test_footprint.py",),
        ("titled: text is cut", "*(int(letters.getlength(text)) + 8 for text, _ in rows)", "0"),
    ),
    *family(
        "unstride/viz/rows.py", ("tests/viz/test_overlays.py",),
        ("black beside", "value=1.0", "value=0.0"),
        ("a gap behind", "gap if i < last else 0", "gap"),
    ),
]
