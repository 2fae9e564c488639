"""Parameters of functions and dataclasses as options: types, dashes, lists, help."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonargparse import ArgumentError

from unstride.cli.options import OptionParser, as_typed, description_of, options_of


@dataclass(frozen=True, kw_only=True)
class Base:
    """Options of every method.

    Args:
        data: folder of the data set.
        batch_size: images in a step.
    """

    data: Path
    batch_size: int = 8


@dataclass(frozen=True, kw_only=True)
class Options(Base):
    """Train something.

    For photo.jpg:

    - OUT/a.png has
      one thing.
    - OUT/b.png has another.

    Args:
        crop_size: height and width of a crop, in pixels.
        scale_range: smallest and largest factor. Default: as the paper says.
        milestones: shares of all steps.
        mode: how it is done.
        model_options: of the network.
        images: files or folders.
    """

    crop_size: tuple[int, int] | None = (360, 480)
    scale_range: tuple[float, float] = (0.5, 2.0)
    milestones: tuple[float, ...] = (2 / 3, 8 / 9)
    mode: Literal["fast", "slow"] = "fast"
    model_options: dict[str, Any] = field(default_factory=dict)
    images: list[str] | None = None


@pytest.fixture
def parser():
    made = OptionParser(prog="unstride fit", exit_on_error=False)
    made.add_options(Options)
    return made


def parsed(parser, *words):
    return parser.parse_words(["--data", "d", *words])


@pytest.mark.parametrize("flag", ["--batch-size", "--batch_size"])
def test_dashes_and_underscores_both_work(parser, flag):
    assert parsed(parser, flag, "3")["batch_size"] == 3
    assert parsed(parser, f"{flag}=4")["batch_size"] == 4


@pytest.mark.parametrize("words", [["96x128"], ["96,128"], ["96", "128"], ["[96, 128]"]])
def test_a_pair_is_typed_as_people_type_it(parser, words):
    assert parsed(parser, "--crop-size", *words, "--batch-size", "2")["crop_size"] == (96, 128)
    assert parsed(parser, f"--crop-size={words[0]}", *words[1:])["crop_size"] == (96, 128)


@pytest.mark.parametrize("flag", ["--model-options.a_b", "--model_options.a_b"])
def test_an_entry_of_a_dictionary_is_set_by_itself(parser, flag):
    assert parsed(parser, flag, "3", f"{flag[:-3]}c=4")["model_options"] == {"a_b": 3, "c": 4}


@pytest.mark.parametrize("words", [["a1x2/", "b,c.jpg"], ['["a1x2/", "b,c.jpg"]']])
def test_a_list_is_typed_as_words(parser, words):
    assert parsed(parser, "--images", *words, "--mode", "slow")["images"] == ["a1x2/", "b,c.jpg"]


def test_ranges_lists_and_null(parser):
    assert parsed(parser, "--scale-range", "0.8,1.25")["scale_range"] == (0.8, 1.25)
    assert parsed(parser, "--milestones", "0.1,0.5,0.9")["milestones"] == (0.1, 0.5, 0.9)
    assert parsed(parser, "--scale-range", "-1", "2")["scale_range"] == (-1.0, 2.0)
    assert parsed(parser, "--crop-size", "null")["crop_size"] is None


@pytest.mark.parametrize(
    "words",
    [["--crop-size", "96"], ["--crop-size", "1x2x3"], ["--crop-size"], ["--batch-size", "many"],
     ["--mode", "other"], ["--batch-sise", "2"]],
    ids=" ".join,
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_name(parser, words):
    with pytest.raises(ArgumentError) as refused:
        parsed(parser, *words)
    name = words[0].removeprefix("--")
    assert name in str(refused.value) or name.replace("-", "_") in str(refused.value)


def test_a_missing_option_is_refused(parser):
    with pytest.raises(ArgumentError, match="data"):
        parser.parse_words([])


def test_help_shows_dashes_subjects_and_readable_types(parser):
    text = " ".join(parser.format_help().split())
    assert "--data PATH" in text
    assert "--batch-size N" in text
    assert "--crop-size HEIGHTxWIDTH" in text
    assert "--scale-range MIN,MAX" in text
    assert "(default: 360x480)" in text
    assert "(default: 0.667,0.889)" in text
    assert "{fast,slow}" in text
    assert "(required)" in text
    assert "--images PATHS" in text
    assert text.index("input:") < text.index("model:") < text.index("method:")
    for riddle in ("batch_size", "<class", "null", "type:", "Optional", "--images+"):
        assert riddle not in text
    assert "as the paper says. (default" not in text  # said once


def test_help_texts_come_from_the_docstrings_of_all_bases():
    texts = {option.name: option.text for option in options_of(Options)}
    assert list(texts)[:2] == ["data", "batch_size"]
    assert texts["batch_size"] == "Images in a step."
    assert texts["crop_size"] == "Height and width of a crop, in pixels."


def test_a_description_keeps_its_list():
    assert description_of(Options).splitlines()[2:] == [
        "For photo.jpg:", "", "- OUT/a.png has one thing.", "- OUT/b.png has another.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [("crop_size", (96, 128)), ("scale_range", (0.5, 2.0)), ("batch_size", 3)]
)
def test_a_default_as_shown_is_read_back(parser, name, value):
    assert parsed(parser, f"--{name}", as_typed(value))[name] == value
