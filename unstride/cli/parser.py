"""The commands as a parser: what each takes, read off its signature and its docstring."""

from collections.abc import Callable, Mapping, Sequence

from jsonargparse import ArgumentParser

EVAL_LIST_OPTIONS = {
    "measure": "of segmentation, depth, transfer, segments, consistency, cam, cost",
    "upsamplers": "words of `unstride list`, options after a colon: featup_jbu:variant=paper",
    "dataset": "NAME or NAME=FOLDER; each measure is taken on the data sets of its kind",
}


def create_parser(
    commands: Mapping[str, Callable], recipes: Mapping[str, Sequence[str]]
) -> ArgumentParser:
    """The parser of `unstride`.

    Args:
        commands: functions by their word: upsample, predict, explain, list and eval.
        recipes: by the words fit and validate.
    """
    parser = ArgumentParser(
        prog="unstride",
        description="Dense features and predictions at pixel resolution, from any backbone.",
        epilog="Start with: unstride upsample photo.jpg",
    )
    words = parser.add_subcommands()
    for word, build, text in (
        ("upsample", _images_parser, "image files to feature files and pictures"),
        ("predict", _images_parser, "image files to predictions, by a network that was trained"),
        ("explain", _explain_parser, "where an output pixel takes its value from"),
        ("list", _list_parser, "upsamplers by name, their laws or their cost"),
        ("eval", _eval_parser, "measure upsamplers, by one protocol for all"),
    ):
        words.add_subcommand(word, build(commands[word]), help=text)
    for word, text in (("fit", "train"), ("validate", "score what was trained")):
        words.add_subcommand(
            word,
            _recipe_parser(word, text, recipes[word]),
            help=f"{text}, from a YAML file or options",
        )
    return parser


def _images_parser(function: Callable) -> ArgumentParser:
    command = ArgumentParser(description=_description(function))
    command.add_argument("images", nargs="+", help="image files, folders or globs")
    command.add_function_arguments(function, skip={"images"})
    return command


def _explain_parser(function: Callable) -> ArgumentParser:
    command = ArgumentParser(description=_description(function))
    command.add_argument("image", help="an image file")
    command.add_argument(
        "--at",
        action="append",
        required=True,
        metavar="X,Y",
        help="the pixel in column X and row Y of the image, from 0; may be repeated",
    )
    command.add_function_arguments(function, skip={"image", "at"})
    return command


def _list_parser(function: Callable) -> ArgumentParser:
    command = ArgumentParser(description=_description(function))
    command.add_argument("--cost", action="store_true", help="parameters and FLOPs, not the law")
    command.add_function_arguments(function, skip={"cost"})
    return command


def _eval_parser(function: Callable) -> ArgumentParser:
    command = ArgumentParser(description=_description(function))
    command.add_argument("what", choices=["features"], help="what to evaluate")
    for name, text in EVAL_LIST_OPTIONS.items():
        command.add_argument(
            f"--{name}", nargs="+", metavar=name.upper(), help=text, default=[],
            required=name != "dataset",
        )  # fmt: skip
    command.add_function_arguments(function, skip=set(EVAL_LIST_OPTIONS))
    return command


def _recipe_parser(word: str, text: str, recipes: Sequence[str]) -> ArgumentParser:
    command = ArgumentParser(
        description=f"{text.capitalize()}, by a recipe. Needs the extra: "
        "pip install 'unstride[train]'."
    )
    command.add_argument("recipe", choices=list(recipes), help=f"what to {word}")
    command.add_argument("options", nargs="...", help="of the recipe; --help shows them")
    return command


def _description(function: Callable) -> str:
    """What a docstring says before its arguments."""
    return (function.__doc__ or "").split("\n\n    Args:")[0]
