"""Matches are those of the released code of PixPro, for boxes and for coordinate maps alike."""

import math

import pytest
import torch

from unstride.losses.pixel_matching import cells_of_boxes, cells_of_maps, matched_cells

# x0, y0, x1, y1; the second view of the first batch is flipped
ONE = torch.tensor([[0.1, 0.2, 0.7, 0.8], [0.9, 0.1, 0.3, 0.6]], dtype=torch.float64)
OTHER = torch.tensor([[0.2, 0.1, 0.6, 0.9], [0.2, 0.0, 1.0, 0.7]], dtype=torch.float64)
WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64)


def map_of_box(box, size, image_size):
    """Pixel centres of a view of this size, in the image's pixels."""
    (x0, y0, x1, y1), (h, w), (height, width) = box.tolist(), size, image_size
    x = (x0 + (torch.arange(w, dtype=torch.float64) + 0.5) / w * (x1 - x0)) * width
    y = (y0 + (torch.arange(h, dtype=torch.float64) + 0.5) / h * (y1 - y0)) * height
    return torch.stack([x.expand(h, w), y[:, None].expand(h, w)])


@pytest.mark.parametrize(
    ("threshold", "counts"), [(0.35, [9, 9]), (0.7, [19, 27]), (1.4, [59, 73])]
)
def test_counts_are_those_of_the_released_code(threshold, counts):
    matches = matched_cells(cells_of_boxes(ONE, (3, 3)), cells_of_boxes(OTHER, (3, 3)), threshold)
    assert matches.sum((1, 2)).tolist() == counts


def test_the_same_square_view_matches_cell_by_cell():
    cells = cells_of_boxes(WHOLE, (7, 7))
    assert torch.equal(matched_cells(cells, cells)[0], torch.eye(49, dtype=torch.bool))


def test_cells_of_four_by_three_match_their_neighbours_on_the_short_side():
    wide = cells_of_boxes(WHOLE * torch.tensor([1, 1, 1, 0.75]), (7, 7))
    assert matched_cells(wide, wide).sum() == 133


def test_half_a_cell_further_each_inner_cell_has_four_matches():
    shift = torch.full((1, 4), 0.5 / 8, dtype=torch.float64)
    matches = matched_cells(cells_of_boxes(WHOLE, (8, 8)), cells_of_boxes(WHOLE + shift, (8, 8)))
    inner = matches[0].sum(1).view(8, 8)[1:, 1:]
    assert (matches[0].sum(1) <= 4).all()
    assert (inner == 4).all()


def test_a_distance_of_the_threshold_counts_in_the_paper_only():
    cells = cells_of_boxes(WHOLE, (1, 2))
    threshold = float(0.5 / cells.diagonal)
    assert matched_cells(cells, cells, threshold).sum() == 2
    assert matched_cells(cells, cells, threshold, strict=False).sum() == 4


@pytest.mark.parametrize("grid", [(3, 3), (4, 6)])
def test_coordinate_maps_give_the_cells_of_boxes(grid):
    sizes = torch.tensor([[40.0, 60.0], [90.0, 30.0]], dtype=torch.float64)
    for boxes in (ONE, OTHER):
        maps = [map_of_box(b, (24, 36), s.tolist()) for b, s in zip(boxes, sizes, strict=True)]
        found = cells_of_maps(torch.stack(maps), sizes, grid)
        expected = cells_of_boxes(boxes, grid)
        torch.testing.assert_close(found.centres, expected.centres, rtol=0, atol=1e-12)
        torch.testing.assert_close(found.diagonal, expected.diagonal, rtol=1e-12, atol=0)


def test_a_rotated_view_keeps_the_size_of_its_cells():
    angle = math.radians(30)
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    plain = map_of_box(WHOLE[0], (12, 12), (50, 50))
    turned = torch.einsum("ij, jhw -> ihw", turn, plain - 25) + 25
    sizes = torch.tensor([[50.0, 50.0]], dtype=torch.float64)
    expected = cells_of_maps(plain[None], sizes, (3, 3))
    found = cells_of_maps(turned[None], sizes, (3, 3))
    torch.testing.assert_close(found.diagonal, expected.diagonal)
    expected_centres = (expected.centres[0] - 0.5) @ turn.T + 0.5
    torch.testing.assert_close(found.centres[0], expected_centres)


def test_what_lies_beyond_the_image_matches_nothing():
    coordinates = map_of_box(WHOLE[0], (8, 8), (20, 20))
    coordinates[:, :, :2] = math.nan
    cells = cells_of_maps(coordinates[None], torch.tensor([[20.0, 20.0]]), (4, 4))
    matches = matched_cells(cells, cells)[0]
    assert matches.sum(1).view(4, 4).tolist() == [[0, 1, 1, 1]] * 4
    assert cells.diagonal.isfinite().all()
