"""Masks: polarity is explicit, grey values and other sizes are refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from unstride.formats.masks import load_mask

WHITE = np.zeros((5, 7), np.uint8)
WHITE[1:3, 2:6] = 255


def save(image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "P", "I;16", "I"])
def test_white_is_the_hole_in_every_mode(mode, tmp_path):
    image = Image.fromarray(WHITE)
    if mode == "I;16":
        image = Image.fromarray(WHITE.astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(WHITE.astype(np.int32) * 257)
    else:
        image = image.convert(mode)
    path = save(image, tmp_path / ("mask.tif" if mode == "I" else "mask.png"))
    expected = torch.from_numpy(WHITE == 255)
    assert torch.equal(load_mask(path, (5, 7)), expected)
    assert torch.equal(load_mask(path, (5, 7), hole="black"), ~expected)


def test_grey_values_are_refused_or_counted_as_told(tmp_path):
    grey = WHITE.copy()
    grey[0, 0], grey[4, 6] = 127, 128
    path = save(Image.fromarray(grey), tmp_path / "mask.png")
    with pytest.raises(ValueError, match=r"mask.png: a mask must be black and white, 5.7% of its"):
        load_mask(path, (5, 7))
    is_hole = load_mask(path, (5, 7), threshold=128)
    assert not is_hole[0, 0]
    assert is_hole[4, 6]
    assert is_hole.sum() == 9


def test_an_empty_and_a_full_mask_are_read_as_they_are(tmp_path):
    for value in (0, 255):
        path = save(Image.fromarray(np.full((5, 7), value, np.uint8)), tmp_path / "mask.png")
        assert load_mask(path, (5, 7)).all() == (value == 255)
        assert load_mask(path, (5, 7)).any() == (value == 255)


def test_a_mask_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(WHITE).transpose(Image.Transpose.ROTATE_90)
    path = save(turned, tmp_path / "mask.png", exif=exif)
    assert torch.equal(load_mask(path, (5, 7)), torch.from_numpy(WHITE == 255))


def test_another_size_and_colours_are_refused(tmp_path):
    path = save(Image.fromarray(WHITE), tmp_path / "mask.png")
    with pytest.raises(ValueError, match=r"mask.png: 7 x 5 pixels, but its image has 5 x 7"):
        load_mask(path, (7, 5))
    red = np.zeros((5, 7, 3), np.uint8)
    red[..., 0] = WHITE
    path = save(Image.fromarray(red), tmp_path / "red.png")
    with pytest.raises(ValueError, match=r"red.png: a mask must be black and white, got colours"):
        load_mask(path, (5, 7))
    with pytest.raises(FileNotFoundError, match=r"none.png: no such file"):
        load_mask(tmp_path / "none.png", (5, 7))
