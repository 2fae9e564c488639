"""Every number among the options of every recipe is checked when the options are made."""

import math
from dataclasses import MISSING, fields
from inspect import isclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from unstride.evaluation.settings import EvaluationSettings
from unstride.features.implicit_options import ImplicitOptions
from unstride.models.regeneration.options import RegenerationOptions
from unstride.recipes import (
    affinity,
    byol,
    densecl,
    depth,
    detection,
    featup,
    multitask,
    panoptic,
    pixcontrast,
    pixpro,
    segmentation,
)
from unstride.saving.argument_checks import declared_ranges

FIXED = {"data": Path("data"), "bsds": Path("bsds"), "images": ["photo.jpg"]}
RECIPES = (
    *(affinity, byol, densecl, depth, detection, featup, multitask, panoptic, pixcontrast),
    *(pixpro, segmentation),
)
OPTIONS: dict[str, Any] = {
    **{recipe.__name__.rpartition(".")[2]: recipe.Options for recipe in RECIPES},
    "evaluation": EvaluationSettings,
    "implicit": ImplicitOptions,
    "regeneration": RegenerationOptions,
}
IMPOSSIBLE = [-1, -0.5, math.nan, math.inf, "many", 448, (448,), (0, 1), (2.0, 1.0), [], True]
FREE = {"model_options", "upsampler_options", "redaction_options", "backbone", "regenerate"}


def made(name, **values):
    """The options of a recipe, with some of them given."""
    required = {f.name for f in fields(OPTIONS[name]) if f.default is MISSING}
    needed = {n: value for n, value in FIXED.items() if n in required}
    return OPTIONS[name](**(needed | values))


def numeric_options(name):
    """Names of the options that hold numbers, alone or in pairs and lists."""
    hints = get_type_hints(OPTIONS[name])
    return [n for n, hint in hints.items() if "int" in kinds(hint) or "float" in kinds(hint)]


def kinds(hint):
    """Names of the classes in a type."""
    inner = [kind for part in getattr(hint, "__args__", ()) for kind in kinds(part)]
    return [hint.__name__, *inner] if isclass(hint) else inner


CASES = [(name, option) for name in OPTIONS for option in numeric_options(name)]


@pytest.mark.parametrize(("name", "option"), CASES)
def test_every_number_has_a_range(name, option):
    """Every number has a range, outside which it is refused with its name."""
    if option in FREE:
        return
    assert option in declared_ranges(OPTIONS[name].__init__)
    messages = [refusal(name, option, value) for value in IMPOSSIBLE]
    said = [message for message in messages if message]
    assert len(said) >= 6
    assert all(f"{option} must " in message and "\n" not in message for message in said)


def refusal(name, option, value):
    """The sentence with which a value is refused; empty if it is accepted."""
    try:
        made(name, **{option: value})
    except ValueError as error:
        return str(error)
    return ""


def test_there_are_such_options():
    assert len(CASES) > 100


@pytest.mark.parametrize("name", OPTIONS)
def test_the_defaults_are_in_their_ranges(name):
    made(name)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("segmentation", {"learning_rate": -1}, "learning_rate must be at least 0, got -1"),
        ("segmentation", {"crop_size": 448}, r"crop_size must be \(height, width\) .*, got 448"),
        ("segmentation", {"strides": (4, 0)}, r"strides must each be at least 1, got \(4, 0\)"),
        ("segmentation", {"optimizer": "adam"}, "optimizer must be one of sgd, adamw, got 'adam'"),
        ("segmentation", {"milestones": (0.5, 2)}, "milestones must each be between 0 and 1, got"),
        ("segmentation", {"seed": 2**40}, "seed must be between 0 and 4294967295, got"),
        ("segmentation", {"freeze_norms": "no"}, "freeze_norms must be true or false, got 'no'"),
        ("depth", {"near": 3, "far": 2}, "near must be below far=2, got 3"),
        ("multitask", {"near": 2, "far": 2}, "near must be below far=2, got 2"),
        ("depth", {"eval_depth_range": (1, 1)}, "eval_depth_range must be two different numbers"),
        ("multitask", {"tasks": ("edges",)}, "tasks must each be one of segmentation, depth, "),
        (
            "affinity",
            {"crop_size": 100},
            "crop_size must be a multiple of 16, at least 16, got 100",
        ),
        ("featup", {"max_pad": -0.1}, "max_pad must be at least 0, got -0.1"),
        ("implicit", {"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    ],
)
def test_what_no_run_could_be_made_with_is_said(name, values, message):
    with pytest.raises(ValueError, match=message):
        made(name, **values)
