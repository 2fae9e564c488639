"""Random crops of segments: where the image is, there are its segments."""

import torch

from tests.recipes.tiny_bsds import write_bsds
from unstride.datasets.by_name import create_dataset
from unstride.datasets.segment_crops import ANNOTATORS_PER_IMAGE, SegmentCrops


def test_crops_show_segments_where_the_picture_shows_them(tmp_path):
    dataset = create_dataset("bsds", write_bsds(tmp_path), "train")
    crops = SegmentCrops([dataset], 64, length=6, seed=1)
    for i in range(6):
        image, segments = crops[i]
        assert image.shape == (3, 64, 64)
        assert segments.shape == (ANNOTATORS_PER_IMAGE, 16, 16)
        red = image[0, 2::4, 2::4] - image[1, 2::4, 2::4] > 0.3
        assert (red == (segments[0] == 1)).float().mean() > 0.9
    assert torch.equal(crops[5][0], SegmentCrops([dataset], 64, length=9, seed=1)[5][0])
    assert not torch.equal(crops[5][0], SegmentCrops([dataset], 64, length=9, seed=2)[5][0])
