"""Three spellings of a mask."""

import pytest
import torch

from unstride.formats.coco_masks import decode_mask, encode_mask

MASK = torch.tensor([[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).bool()


def test_runs_go_down_the_columns():
    runs = {"size": [3, 4], "counts": [3, 1, 2, 2, 3, 1]}
    assert torch.equal(decode_mask(runs, (3, 4)), MASK)


@pytest.mark.parametrize("mask", [MASK, ~MASK, torch.rand(37, 41) > 0.5])
def test_packed_runs_come_back(mask):
    packed = encode_mask(mask)
    assert packed["size"] == list(mask.shape)
    assert isinstance(packed["counts"], str)
    assert torch.equal(decode_mask(packed, tuple(mask.shape)), mask)


def test_polygons_cover_their_inside():
    square = [[2, 1, 6, 1, 6, 4, 2, 4]]
    mask = decode_mask(square, (6, 8))
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[1:4, 2:6] = True
    assert torch.equal(mask, expected)
    two = decode_mask([*square, [0, 0, 1, 0, 1, 1, 0, 1]], (6, 8))
    assert int(two.sum()) == 12 + 1
    assert not decode_mask([], (6, 8)).any()


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        "text",
        {},
        {"size": [4, 3], "counts": [12]},
        {"size": [3, 4]},
        {"size": [3, 4], "counts": [13]},
        {"size": [3, 4], "counts": [13, -1]},
        {"size": [3, 4], "counts": [12.0]},
        {"size": [3, 4], "counts": [10**30]},
        {"size": [3, 4], "counts": ""},
        {"size": [3, 4], "counts": "zzzz"},
        {"size": [3, 4], "counts": "oooooooooooooooooooooooooooo"},
        {"size": [3, 4], "counts": "\u00e9"},
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[1, 2, 3, 4, 5, "6"]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, 1e30]],
        [3],
    ],
)
def test_damaged_spellings_are_refused(segmentation):
    with pytest.raises(ValueError, match=r"runs|polygon"):
        decode_mask(segmentation, (3, 4))
