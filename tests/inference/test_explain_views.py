"""`unstride explain-views` draws a picture, repeatably, and refuses what it cannot do."""

import pytest
from PIL import Image

from unstride.cli.main import main


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.effect_noise((90, 70), 90).convert("RGB").save(path)
    return path


def run(photo, out, *words):
    return main(
        ["explain-views", str(photo), "--side", "64", "--grid", "4", "--out", str(out), *words]
    )


def test_the_picture_depends_on_the_seed_alone(photo, tmp_path, capsys):
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert run(photo, tmp_path / name / "v.png", "--seed", seed, "--min-scale", "0.5") == 0
    assert "of 16 cells in each view" in capsys.readouterr().out
    pictures = [(tmp_path / name / "v.png").read_bytes() for name in "abc"]
    assert pictures[0] == pictures[1] != pictures[2]
    with Image.open(tmp_path / "a/v.png") as picture:
        assert picture.size == (64 + 64 + 24, 64)


def test_rotated_and_deformed_views_are_drawn_too(photo, tmp_path):
    assert run(photo, tmp_path / "v.png", "--rotation", "30", "--elastic", "20") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--grid", "0"], "grid must be at least 1"),
        (["--min-scale", "0"], "min_scale above 0"),
        (["--side", "0"], "got 0, 4"),
    ],
)
def test_impossible_options_are_named(words, message, photo, tmp_path, capsys):
    assert run(photo, tmp_path / "v.png", *words) == 2
    assert message in capsys.readouterr().err


def test_what_is_no_image_or_no_png_is_named(photo, tmp_path, capsys):
    assert run(photo, tmp_path / "v.jpg") == 2
    assert "out must end in .png" in capsys.readouterr().err
    assert run(tmp_path / "none.png", tmp_path / "v.png") == 1
    assert "none.png: no such file" in capsys.readouterr().err
