"""Turns the parameters of a function or dataclass into options of the command line.

Types and defaults come from the signature, help texts from the docstring. Options are typed with
dashes; underscores work as well. `--help` groups them by subject.
"""

import json
import re
from argparse import SUPPRESS, RawDescriptionHelpFormatter
from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, getdoc, signature
from pathlib import Path
from textwrap import fill
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from docstring_parser import DocstringStyle, parse
from jsonargparse import ArgumentParser, DefaultHelpFormatter

SUBJECTS = {  # headings of --help; what is not named here goes below the last heading
    "input": (
        "images", "image", "at", "data", "dataset", "annotations", "val_images",
        "val_annotations", "val_share", "split_seed", "metres_per_step", "split", "train_split",
        "eval_data", "val_limit", "train_limit", "limit", "size", "bsds", "coco", "tasks",
        "measure", "upsamplers", "task",
    ),
    "model": (
        "model", "model_options", "backbone", "backbone_weights", "neck", "neck_width",
        "neck_weights", "pretrained", "stride", "strides",
        "upsampler", "upsampler_options", "weights", "downsampler", "stages", "channels", "scale",
        "freeze", "freeze_norms",
    ),
    "output": ("out", "dtype", "picture", "min_score", "cost", "save_every"),
    "machine": ("device", "devices", "precision", "workers", "memory", "cache", "seed"),
}  # fmt: skip
OTHER = "method"
WIDTH = 78  # of descriptions, in columns
METAVARS = {
    "at": "X,Y", "backbone": "NAME", "dataset": "NAME", "device": "DEVICE", "memory": "SIZE",
    "model": "NAME", "size": "HEIGHTxWIDTH", "upsampler": "NAME[:OPTION=VALUE,...]",
}  # fmt: skip
METAVARS_OF_TYPES = {int: "N", float: "NUMBER", str: "TEXT", dict: "{NAME: VALUE}"}


class Option(NamedTuple):
    """A parameter as an option: its name, type, default (or `Parameter.empty`) and help text."""

    name: str
    kind: Any
    default: Any
    text: str


class HelpFormatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Shows defaults as people type them, and keeps the lines of a description as they are."""

    def _get_help_string(self, action) -> str:
        text = action.help or ""
        if action.required and action.option_strings:
            return f"{text} (required)"
        is_told = action.dest in ("help", "config") or "Default:" in text
        if not action.option_strings or is_told or not has_default(action.default):
            return text
        return f"{text} (default: {as_typed(action.default)})"

    def _format_action_invocation(self, action) -> str:
        shown = copy(action)
        shown.option_strings = [
            flag for flag in action.option_strings if not re.search(r"_|\+$", flag)
        ]
        return super()._format_action_invocation(shown)


class OptionParser(ArgumentParser):
    """A parser whose options come from the parameters of functions and dataclasses."""

    def __init__(self, *, usage: str | None = None, **options: Any):
        super().__init__(
            formatter_class=HelpFormatter, usage=usage, print_config="--print-config", **options
        )
        self.subjects: dict[str, Any] = {}

    def add_options(self, source: Callable[..., Any], *, skip: Collection[str] = ()) -> None:
        """Add an option for each parameter of a function, or each field of a dataclass.

        Args:
            source: the function or dataclass; its docstring has the help texts.
            skip: names of parameters that are added by other means.
        """
        for option in options_of(source):
            if option.name not in skip:
                self.add_option(option)

    def add_option(self, option: Option, **settings: Any) -> None:
        """Add an option under the heading of its subject; `--a-b` and `--a_b` both work.

        Args:
            option: what is added.
            settings: more arguments of `add_argument`, such as nargs.
        """
        flag = f"--{option.name.replace('_', '-')}"
        flags = dict.fromkeys((flag, f"--{option.name}"))
        if option.default is Parameter.empty:
            settings["required"] = True
        else:
            settings["default"] = option.default
        if (shown := metavar_of(option.name, option.kind)) is not None:
            settings.setdefault("metavar", shown)
        settings.setdefault("type", option.kind)
        self._group_of(option.name).add_argument(*flags, help=option.text, **settings)

    def parse_words(self, words: Sequence[str]) -> dict[str, Any]:
        """Parse a command line; pairs may be typed as 96x128, 0.5,2 or as two words.

        Raises:
            ArgumentError: if an option is missing, unknown or not of its type.
        """
        return vars(self.parse_args(self._with_lists(list(words))))

    def _group_of(self, name: str) -> Any:
        subject = next((s for s, names in SUBJECTS.items() if name in names), OTHER)
        if subject not in self.subjects:
            self.subjects[subject] = self.add_argument_group(subject)
            order = [*SUBJECTS, OTHER]
            groups = [g for g in self._action_groups if g not in self.subjects.values()]
            ordered = sorted(self.subjects, key=order.index)
            self._action_groups[:] = [*groups, *(self.subjects[s] for s in ordered)]
        return self.subjects[subject]

    def _with_lists(self, words: list[str]) -> list[str]:
        """The words, with values of tuples and lists in the brackets that jsonargparse wants."""
        result: list[str] = []
        while words:
            flag, equals, value = words.pop(0).partition("=")
            kind = getattr(self._option_string_actions.get(flag), "_typehint", None)
            several = get_origin(without_none(kind))
            if several not in (tuple, list) or flag.endswith("+"):
                result.append(flag + equals + value)
                continue
            values = [value] if equals else []
            while words and not re.match(r"--?[A-Za-z]", words[0]):
                values.append(words.pop(0))
            if several is list and values and not values[0].startswith("["):
                values = [json.dumps(values)]
            result.append(f"{flag}={in_brackets(values)}" if values else flag)
        return result


def options_of(source: Callable[..., Any]) -> list[Option]:
    """The parameters of a function, or the fields of a dataclass and of its bases, in order."""
    classes = reversed(source.__mro__) if isinstance(source, type) else [source]
    texts = {name: text for owner in classes for name, text in help_texts(owner).items()}
    hints = get_type_hints(source)
    if is_dataclass(source):
        defaults = {f.name: default_of(f) for f in fields(source)}
    else:
        defaults = {p.name: p.default for p in signature(source).parameters.values()}
    return [Option(n, hints[n], default, texts.get(n, "")) for n, default in defaults.items()]


def default_of(field: Any) -> Any:
    """The default of a dataclass's field; `Parameter.empty` if it has none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return Parameter.empty if field.default is MISSING else field.default


def help_texts(owner: Any) -> dict[str, str]:
    """What a docstring says of each argument, on one line."""
    documented = parse(getdoc(owner) or "", DocstringStyle.GOOGLE).params
    texts = {p.arg_name: " ".join((p.description or "").split()) for p in documented}
    return {name: text[:1].upper() + text[1:] for name, text in texts.items()}


def description_of(owner: Any) -> str:
    """What a docstring says before its arguments, wrapped for terminals; lines with "- " stay."""
    text = re.split(r"\n\n(?:Args|Raises|Returns):", getdoc(owner) or "")[0]
    paragraphs = [re.split(r"\n(?=- )", paragraph) for paragraph in text.split("\n\n")]
    return "\n\n".join("\n".join(map(_wrapped, lines)) for lines in paragraphs)


def _wrapped(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return fill(" ".join(line.split()), WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def metavar_of(name: str, kind: Any) -> str | None:
    """What help shows for an option's value; None for choices, which show themselves."""
    kind = without_none(kind)
    if kind is bool or get_origin(kind) is Literal:
        return None
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)
        if others == [first]:
            return "HEIGHTxWIDTH" if first is int else "MIN,MAX"
        word = {int: "N", float: "NUMBER", str: "NAME"}[first]
        return f"{word},{word},..."
    if kind is Path or get_origin(kind) is list:
        return "PATH" if kind is Path else "PATHS"
    return METAVARS.get(name) or METAVARS_OF_TYPES.get(get_origin(kind) or kind, name.upper())


def without_none(kind: Any) -> Any:
    """The type without None: of `Path | None` it is Path."""
    if get_origin(kind) in (Union, UnionType):
        others = [k for k in get_args(kind) if k is not type(None)]
        return others[0] if len(others) == 1 else kind
    return kind


def in_brackets(values: Sequence[str]) -> str:
    """`96x128`, `0.5,2`, `96 128` or `[96, 128]` as `[96,128]`."""
    if values[0].startswith("[") or values == ["null"]:
        return " ".join(values)
    parts = [part for value in values for part in re.split(r"(?<=\d)x(?=\d)|,", value)]
    return f"[{','.join(part.strip() for part in parts if part.strip())}]"


def has_default(value: Any) -> bool:
    """Whether a default is worth a mention: empty ones and switches that are off are not."""
    return not (value is None or value is False or value == SUPPRESS or value in ((), [], {}))


def as_typed(value: Any) -> str:
    """A default as it is typed on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        shown = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in value]
        is_size = len(value) == 2 and all(type(v) is int for v in value)
        return "x".join(shown) if is_size else ",".join(shown)
    return str(value)
