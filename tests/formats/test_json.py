"""Values that JSON cannot hold: NaN, infinities, paths and functions."""

from functools import partial
from math import inf, nan

from unstride.formats.json import json_default, nan_to_none
from unstride.upsamplers import Nearest


def test_numbers_that_json_lacks_are_null():
    content = {"a": nan, "b": [1.0, -inf], "c": (2, "x")}
    assert nan_to_none(content) == {"a": None, "b": [1.0, None], "c": [2, "x"]}


def test_what_makes_upsamplers_has_the_same_word_in_every_run(tmp_path):
    assert json_default(Nearest) == "unstride.upsamplers.interpolation:Nearest"
    assert json_default(partial(Nearest, scale=2)) == "partial"
    assert json_default(tmp_path) == str(tmp_path)
