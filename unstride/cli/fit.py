"""`unstride fit` and `unstride validate`: run a recipe with the options of the command line."""

import re
import sys
from argparse import ArgumentError
from importlib import import_module
from pathlib import Path
from typing import Any

from unstride.cli.parser import create_recipe_parser
from unstride.formats.errors import error_summary

CONFIG_FOLDER = Path(__file__).parents[1] / "configs"


def run_recipe(command: str, recipe: str, words: list[str]) -> int:
    """Run a recipe and print its scores; returns the exit code.

    Args:
        command: fit or validate.
        recipe: a module of unstride.recipes.
        words: the command line after these two.
    """
    try:
        arguments = parse_recipe_options(command, recipe, words)
        function = getattr(import_module(f"unstride.recipes.{recipe}"), command)
        scores = function(**arguments)
    except ArgumentError as error:
        message = option_error_message(error, recipe)
        print(f"unstride {command} {recipe}: {message}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"unstride {command} {recipe}: {error_message(error)}", file=sys.stderr)
        return 1
    for name, value in (scores or {}).items():
        print(f"{name:24} {value:10.4f}")
    return 0


def error_message(error: Exception) -> str:
    """The message of an error in one line; of one in a loader process, that in its traceback."""
    caught = re.match(r"Caught (\w+) in ", str(error))
    if caught is None:
        return error_summary(error)
    type_name = caught[1]
    messages = re.findall(rf"^(?:\w+\.)*{type_name}\b(?:: (.+))?", str(error), re.MULTILINE)
    return (messages[-1] if messages else "") or type_name


def option_error_message(error: ArgumentError, recipe: str) -> str:
    """One line that says what is wrong with an option."""
    text = re.sub(r"(--[\w-]+)/--\w+", r"\1", " ".join(str(error).split()))
    text = re.sub(r'Parser key "(\w+)"', lambda key: f"--{key[1].replace('_', '-')}", text)
    unknown = re.fullmatch("Option '(.+)' is not accepted", text)  # jsonargparse says so of files
    text = f"config: {recipe} has no option {unknown[1]}" if unknown else text
    return f"{text} (use --help to list all options)"


def config_names() -> list[str]:
    """Names of the configs that come with this package."""
    return sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))


def resolve_config_names(words: list[str]) -> list[str]:
    """The words, with a path in place of each name after --config.

    Raises:
        ValueError: if there is neither a file nor a config of that name.
    """
    resolved = list(words)
    for i, word in enumerate(words):
        flag, equals, name = word.partition("=")
        if flag != "--config" or (not equals and i + 1 == len(words)):
            continue
        config = name if equals else words[i + 1]
        packaged = CONFIG_FOLDER / f"{config}.yaml"
        if not Path(config).is_file() and not packaged.is_file():
            raise ValueError(
                f"config must be a file or one of {', '.join(config_names())}, got {config!r}"
            )
        path = config if Path(config).is_file() else str(packaged)
        resolved[i + (not equals)] = f"--config={path}" if equals else path
    return resolved


def parse_recipe_options(command: str, recipe: str, words: list[str]) -> dict[str, Any]:
    """The arguments with which a recipe's function is called.

    Args:
        command: fit or validate.
        recipe: a module of unstride.recipes.
        words: the command line after these two.

    Raises:
        ValueError: if there is no such config.
        ArgumentError: if an option is missing, unknown or not of its type.
    """
    options = options_class(recipe)
    parser = create_recipe_parser(command, recipe, options)
    values = parser.parse_words(resolve_config_names(words))
    values.pop("config", None)
    split = {"split": values.pop("split")} if command == "validate" else {}
    return {"options": options(**values)} | split


def options_class(recipe: str) -> type:
    """The dataclass of a recipe's options. Its module needs no package of the extra `train`."""
    return import_module(f"unstride.recipes.{recipe}_options").Options
