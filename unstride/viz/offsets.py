"""Draws where places of an image take their content from: colours by direction, and arrows.

Colours are those of Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV
2011: hue is the direction of the source, saturation its distance, white is no distance.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.viz.picture_size import bounded_picture
from unstride.viz.pillow import to_pil_image, to_tensor

# Steps from red over yellow, green, cyan, blue and magenta back to red.
WHEEL_STEPS = 15, 6, 4, 11, 13, 6
ARROWS = 12  # along the longer side of a hole
KNOWN_BRIGHTNESS = 0.5


def colour_wheel() -> Float[Tensor, "n 3"]:
    """The 55 colours of the directions, from red on."""
    corners = torch.tensor(
        [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]]
    ).float()
    return torch.cat(
        [
            torch.lerp(corners[i], corners[i + 1], torch.arange(steps)[:, None] / steps)
            for i, steps in enumerate(WHEEL_STEPS)
        ]
    )


def offset_colours(offsets: Float[Tensor, "2 h w"]) -> Float[Tensor, "3 h w"]:
    """A colour for each offset; the longest of all is fully saturated.

    Args:
        offsets: down and to the right, in any unit.
    """
    radius = offsets.norm(dim=0)
    radius = radius / radius.max().clamp(min=1e-6)
    wheel = colour_wheel()
    turn = (torch.atan2(-offsets[1], -offsets[0]) / torch.pi + 1) / 2  # 0 to 1
    position = turn * (len(wheel) - 1)
    first = position.floor().long()
    second = (first + 1) % len(wheel)
    colours = torch.lerp(wheel[first], wheel[second], (position - first)[..., None])
    return (1 - radius[..., None] * (1 - colours)).movedim(-1, 0)


def offsets_picture(
    image: Float[Tensor, "3 h w"],
    is_hole: Bool[Tensor, "h w"],
    sources: Float[Tensor, "2 y x"],
) -> Float[Tensor, "3 H W"]:
    """The image, dimmed, with its holes coloured by the offsets of their sources, and arrows.

    Args:
        image: RGB in [0, 1].
        is_hole: what was filled.
        sources: row and column of each place's source, on a coarse grid over the image.
    """
    from PIL import ImageDraw

    (h, w), grid = image.shape[1:], sources.shape[1:]
    places = torch.stack(torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij"))
    colours = interpolate(offset_colours(sources - places)[None], (h, w), mode="nearest-exact")[0]
    picture = to_pil_image(torch.where(is_hole, colours, KNOWN_BRIGHTNESS * image))
    draw = ImageDraw.Draw(picture)
    cell = h / grid[0], w / grid[1]
    for y, x in arrow_places(is_hole):
        row, column = (min(int(p / c), n - 1) for p, c, n in zip((y, x), cell, grid, strict=True))
        source = [(float(sources[i, row, column]) + 0.5) * cell[i] for i in (1, 0)]
        start = (column + 0.5) * cell[1], (row + 0.5) * cell[0]
        draw.line([start, tuple(source)], fill="white", width=max(round(min(h, w) / 300), 1))
        reach = max(min(h, w) / 120, 1.5)
        draw.ellipse([source[0] - reach, source[1] - reach, source[0] + reach, source[1] + reach],
                     outline="white")  # fmt: skip
    return bounded_picture(to_tensor(picture))


def arrow_places(is_hole: Bool[Tensor, "h w"]) -> Iterator[tuple[int, int]]:
    """Rows and columns of pixels of the hole, on a regular grid."""
    rows, columns = (torch.nonzero(is_hole.any(axis))[:, 0] for axis in (1, 0))
    extent = max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0])) + 1
    step = max(extent // ARROWS, 1)
    for y in range(int(rows[0]) + step // 2, int(rows[-1]) + 1, step):
        for x in range(int(columns[0]) + step // 2, int(columns[-1]) + 1, step):
            if is_hole[y, x]:
                yield y, x
