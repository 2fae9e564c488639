"""The parser of `unstride`: one subcommand for each function of `commands`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import Parameter
from pathlib import Path

from jsonargparse import ArgumentParser

from unstride.cli.options import (
    HelpFormatter,
    Option,
    OptionParser,
    description_of,
    metavar_of,
    options_of,
)

SUMMARIES = {  # as `unstride --help` shows them
    "upsample": "write pixel-resolution features of images",
    "predict": "write predictions of a trained network",
    "inpaint": "fill the holes of images",
    "matte": "separate objects from their background, with soft edges",
    "explain": "draw where an output pixel takes its value from",
    "explain-views": "draw the two views of pretraining and their matched cells",
    "list": "list the upsamplers, their laws or their cost",
    "eval": "compare upsamplers on frozen features",
    "data": "check a data set before training on it",
    "fit": "train an upsampler or a network",
    "validate": "score a trained network",
}
TERMS = """Terms: the code is Apache-2.0. The weights of featup_jbu were trained on
ImageNet and BSDS500 (both for non-commercial research) and on COCO (annotations
CC BY 4.0, photographs as their owners say), those of the default backbone on
ImageNet. More: unstride/weights/README.md. Other weights have their own terms."""
VALIDATE_DESCRIPTION = "Score the network that `unstride fit` left in the output folder."
LISTS = {  # options of eval that take several words
    "measure": "MEASURE", "upsamplers": "NAME[:OPTION=VALUE,...]", "dataset": "NAME[=FOLDER]",
}  # fmt: skip


def create_parser(
    commands: Mapping[str, Callable], recipes: Mapping[str, Sequence[str]]
) -> ArgumentParser:
    """Build the parser of `unstride`.

    Args:
        commands: functions by their names: upsample, predict, explain, list and eval.
        recipes: names of recipes, by the commands fit and validate.
    """
    parser = ArgumentParser(
        prog="unstride",
        description="Dense features and predictions at pixel resolution, from any backbone.",
        formatter_class=HelpFormatter,
        epilog="Start with: unstride upsample photo.jpg",
    )
    subcommands = parser.add_subcommands()
    builders = {
        "upsample": _images_parser, "predict": _images_parser, "inpaint": _images_parser,
        "matte": _images_parser, "explain": _explain_parser, "explain-views": _image_parser,
        "list": _list_parser, "eval": _eval_parser, "data": _data_parser,
    }  # fmt: skip
    for name, build in builders.items():
        subcommands.add_subcommand(name, build(name, commands[name]), help=SUMMARIES[name])
    for name, known in recipes.items():
        subcommands.add_subcommand(name, _recipe_parser(name, known), help=SUMMARIES[name])
    return parser


def create_recipe_parser(command: str, recipe: str, options: type) -> OptionParser:
    """Build the parser of a recipe, such as `unstride fit segmentation`.

    Args:
        command: fit or validate.
        recipe: name of the recipe.
        options: the recipe's dataclass of options.
    """
    parser = OptionParser(
        prog=f"unstride {command} {recipe}",
        usage=_usage(f"{command} {recipe} [--config PATH_OR_NAME]", options),
        description=description_of(options) if command == "fit" else VALIDATE_DESCRIPTION,
        exit_on_error=False,
        epilog=TERMS if command == "fit" else None,
    )
    parser.add_argument(
        "--config", action="config", metavar="PATH_OR_NAME",
        help="YAML file with these options, or the name of one that comes with unstride",
    )  # fmt: skip
    parser.add_options(options)
    if command == "validate":
        parser.add_option(Option("split", str, "val", "split of the data set that is scored"))
    return parser


def _images_parser(name: str, function: Callable) -> OptionParser:
    parser = _command_parser(f"{name} IMAGES [IMAGES ...]", function, skip=("images",))
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, folders or globs")
    return parser


def _image_parser(name: str, function: Callable) -> OptionParser:
    parser = _command_parser(f"{name} IMAGE", function, skip=("image",))
    parser.add_argument("image", metavar="IMAGE", help="image file")
    return parser


def _explain_parser(name: str, function: Callable) -> OptionParser:
    parser = _command_parser(f"{name} IMAGE --at X,Y", function, skip=("image", "at"))
    parser.add_argument("image", metavar="IMAGE", help="image file")
    at = next(option for option in options_of(function) if option.name == "at")
    parser.add_option(at, action="append", type=str)
    return parser


def _list_parser(name: str, function: Callable) -> OptionParser:
    parser = _command_parser(name, function, skip=("cost",))
    parser.add_argument("--cost", action="store_true", help="show parameters and FLOPs")
    return parser


def _eval_parser(name: str, function: Callable) -> OptionParser:
    parser = _command_parser(f"{name} features", function, skip=LISTS)
    parser.add_argument("what", choices=["features"], help="what is evaluated")
    for option in options_of(function):
        if option.name in LISTS:
            parser.add_option(option, nargs="+", type=str, metavar=LISTS[option.name])
    return parser


def _data_parser(name: str, function: Callable) -> OptionParser:
    parser = _command_parser(f"{name} check PATH", function, skip=("path",))
    parser.add_argument("what", choices=["check"], help="what is done")
    parser.add_argument("path", metavar="PATH", type=Path, help="folder of the data set")
    return parser


def _recipe_parser(name: str, recipes: Sequence[str]) -> ArgumentParser:
    parser = OptionParser(
        usage=f"unstride {name} RECIPE [options]",
        description=f"{SUMMARIES[name].capitalize()}. Needs the extra: "
        "pip install 'unstride[train]'.",
    )
    parser.add_argument("recipe", choices=list(recipes), help="what is trained")
    parser.add_argument("options", nargs="...", help="options of the recipe; --help shows them")
    return parser


def _command_parser(words: str, function: Callable, skip: Collection[str] = ()) -> OptionParser:
    """A parser with the function's parameters, except those that are added by other means."""
    loads_weights = {"upsampler", "upsamplers"} & {option.name for option in options_of(function)}
    parser = OptionParser(
        usage=_usage(words, function, skip),
        description=description_of(function),
        epilog=TERMS if loads_weights else None,
    )
    parser.add_options(function, skip=skip)
    return parser


def _usage(words: str, source: Callable, skip: Collection[str] = ()) -> str:
    """The words of a command, its required options, and [options] for the others."""
    required = [
        f"--{o.name.replace('_', '-')} {metavar_of(o.name, o.kind)}"
        for o in options_of(source)
        if o.default is Parameter.empty and o.name not in skip
    ]
    return " ".join(["unstride", words, *required, "[options]"])
