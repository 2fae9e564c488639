"""Trimaps, alpha mattes and cut-outs as files."""

import numpy as np
import pytest
import torch
from PIL import Image

from unstride.formats.alpha import load_alpha, write_alpha, write_cutout
from unstride.formats.cutouts import load_cutout
from unstride.formats.trimap import load_trimap


def save(values, path, mode=None):
    image = Image.fromarray(np.array(values, np.uint8))
    (image if mode is None else image.convert(mode)).save(path)
    return path


@pytest.mark.parametrize("mode", [None, "RGB", "RGBA"])
def test_a_trimap_has_three_values(mode, tmp_path):
    path = save([[0, 5, 128], [90, 250, 255]], tmp_path / "t.png", mode)
    assert load_trimap(path, (2, 3)).tolist() == [[0, 0, 128], [128, 255, 255]]


def test_class_numbers_are_read_as_such(tmp_path):
    path = save([[0, 1], [2, 1]], tmp_path / "t.png")
    assert load_trimap(path, (2, 2)).tolist() == [[0, 128], [255, 128]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[128, 255]], "must have known background, got none"),
        ([[0, 128]], "must have known foreground, got none"),
        ([[0, 128, 255]], "3 x 1 pixels, but its image has 2 x 1"),
    ],
)
def test_trimaps_that_say_too_little_or_do_not_fit_are_refused(values, message, tmp_path):
    path = save(values, tmp_path / "t.png")
    with pytest.raises(ValueError, match=rf"t.png: .*{message}"):
        load_trimap(path, (1, 2))


def test_a_coloured_trimap_is_refused(tmp_path):
    path = save([[[255, 0, 0], [0, 0, 0]]], tmp_path / "t.png")
    with pytest.raises(ValueError, match="got colours"):
        load_trimap(path, (1, 2))


def test_alpha_makes_the_round_trip_in_16_bits(tmp_path):
    alpha = torch.rand(7, 9)
    write_alpha(tmp_path / "a.png", alpha)
    torch.testing.assert_close(
        load_alpha(tmp_path / "a.png"), alpha, rtol=0, atol=0.5 / 65535 + 1e-7
    )
    save([[0, 51, 255]], tmp_path / "b.png")
    torch.testing.assert_close(load_alpha(tmp_path / "b.png"), torch.tensor([[0, 0.2, 1]]))


def test_a_cutout_makes_the_round_trip(tmp_path):
    colours, alpha = torch.rand(3, 5, 6), torch.rand(5, 6)
    write_cutout(tmp_path / "c.png", colours, alpha)
    loaded = load_cutout(tmp_path / "c.png")
    torch.testing.assert_close(
        loaded, torch.cat([colours, alpha[None]]), rtol=0, atol=0.5 / 255 + 1e-6
    )


def test_an_image_without_alpha_and_an_empty_one_are_refused(tmp_path):
    path = save(np.zeros((4, 4, 3)), tmp_path / "rgb.png")
    with pytest.raises(ValueError, match=r"rgb.png: a cut-out must have alpha, got mode RGB"):
        load_cutout(path)
    path = save(np.zeros((4, 4, 4)), tmp_path / "empty.png")
    with pytest.raises(ValueError, match=r"empty.png: a cut-out must show something"):
        load_cutout(path)
