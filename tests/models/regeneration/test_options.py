"""One line, or a mapping, becomes options; what is impossible is named."""

from pathlib import Path

import pytest

from unstride.models.regeneration.options import RegenerationOptions, regeneration_options


def test_one_line_and_a_mapping_say_the_same():
    line = "redaction=random_blocks,block=8,fraction=0.25,module=recursive,steps=3,ratio=0.2"
    mapping = {
        "redaction": "random_blocks", "block": 8, "fraction": 0.25, "module": "recursive",
        "steps": 3, "ratio": 0.2,
    }  # fmt: skip
    options = regeneration_options(line)
    assert options == regeneration_options(mapping)
    assert options == regeneration_options(line.removeprefix("redaction="))
    assert options.redaction_options == {"block": 8, "fraction": 0.25}
    assert (options.module, options.steps, options.ratio) == ("recursive", 3, 0.2)


def test_a_word_is_the_redaction():
    assert regeneration_options("band_stop") == RegenerationOptions(redaction="band_stop")


def test_paths_are_paths():
    assert regeneration_options("low_pass,lpips=0.1,lpips_weights=a.pth").lpips_weights == Path(
        "a.pth"
    )


def test_the_module_gets_its_own_options():
    forward = regeneration_options("low_pass,blocks=2,width=4").module_options
    assert forward == {"blocks": 2, "width": 4, "combination": "concatenate"}
    recursive = regeneration_options("low_pass,module=recursive,norm=batch").module_options
    assert recursive == {"steps": 4, "width": 32, "norm": "batch", "combination": "concatenate"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("blur", "regenerate: redaction must be one of random_pixels"),
        ("band_stop,block=8", "regenerate: redaction band_stop has no option block"),
        ("band_stop,ratio", "regenerate must be NAME=VALUE, got 'ratio'"),
        ("band_stop,ratio=-1", "regenerate: ratio must be at least 0, got -1"),
        ("band_stop,ratio=much", "regenerate: ratio must be a finite number, got 'much'"),
        ("band_stop,module=deep", "module must be one of forward, recursive, got 'deep'"),
        ("band_stop,norm=layer", "norm must be one of batch, group, got 'layer'"),
        ("band_stop,control=random", "control must be one of none, detached, shuffled, got"),
        ("band_stop,steps=0", "steps must be at least 1, got 0"),
        ("band_stop,width=2.5", "width must be a whole number, got 2.5"),
        ("band_stop,resolution=0", "resolution must be at most 1 and above 0, got 0"),
        ("band_stop,resolution=2", "resolution must be at most 1 and above 0, got 2"),
        ("band_stop,warm_in=1.5", "warm_in must be between 0 and 1, got 1.5"),
        ({"redaction": "low_pass", "cutoff": 3}, "regenerate: cutoff must be between 0 and 1"),
    ],
)
def test_impossible_options_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        regeneration_options(given)
