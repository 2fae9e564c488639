"""Classes and depth as PNG files: what is written is what is read."""

import numpy as np
import pytest
import torch
from PIL import Image

from unstride.formats.labels import load_depth, load_labels, write_depth, write_labels


def test_class_numbers_come_back_and_are_rgb_in_their_colours(tmp_path):
    labels = torch.randint(0, 19, (31, 47))
    labels[:3] = 255
    colours = torch.rand(19, 3)
    write_labels(tmp_path / "a.png", labels, colours)
    assert torch.equal(load_labels(tmp_path / "a.png"), labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        rgb = torch.from_numpy(np.array(image.convert("RGB"))).int()
    assert torch.equal(rgb[3:], (255 * colours).round().int()[labels[3:]])
    assert not rgb[:3].any()


@pytest.mark.parametrize("wrong", [19, -1, 256])
def test_a_label_that_is_no_class_is_refused(wrong, tmp_path):
    with pytest.raises(ValueError, match=rf"a.png: labels must be in 0..18, got {wrong}"):
        write_labels(tmp_path / "a.png", torch.full((2, 2), wrong), torch.rand(19, 3))


def test_more_classes_than_a_byte_holds_are_refused(tmp_path):
    write_labels(tmp_path / "a.png", torch.full((2, 2), 254), torch.rand(255, 3))
    with pytest.raises(ValueError, match="at most 255 classes, got 256"):
        write_labels(tmp_path / "a.png", torch.zeros(2, 2, dtype=torch.int64), torch.rand(256, 3))


def test_depth_comes_back_within_half_a_millimetre(tmp_path):
    depth = 65 * torch.rand(40, 50) + 0.001
    depth[:5] = 0
    write_depth(tmp_path / "a.png", depth)
    loaded = load_depth(tmp_path / "a.png")
    assert (loaded - depth).abs().max() <= 0.0005 + 1e-5
    assert torch.equal(loaded == 0, depth == 0)


def test_what_is_deeper_than_the_file_holds_is_written_as_its_end(tmp_path):
    depth = torch.tensor([[65.535, 65.6, 1000.0, float("inf"), float("nan"), -2.0, 1e-4]])
    write_depth(tmp_path / "a.png", depth)
    loaded = load_depth(tmp_path / "a.png")[0]
    torch.testing.assert_close(loaded, torch.tensor([65.535] * 4 + [0, 0, 0.001]))
