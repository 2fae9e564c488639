"""`unstride fit` and `unstride validate`: a recipe's options become those of the command line."""

import re
import sys
from argparse import ArgumentError
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from unstride.cli.parser import create_recipe_parser

CONFIG_FOLDER = Path(__file__).parents[1] / "configs"


def run_recipe(command: str, recipe: str, arguments: list[str]) -> int:
    """Run a recipe; the exit code.

    Args:
        command: fit or validate.
        recipe: a module of unstride.recipes.
        arguments: the words behind these two.
    """
    act: Callable | None = getattr(import_module(f"unstride.recipes.{recipe}"), command, None)
    if act is None:
        print(f"unstride {command}: {recipe} has nothing to {command}", file=sys.stderr)
        return 2
    try:
        chosen = parse_recipe_options(command, recipe, arguments)
        answer = act(**chosen)
    except ArgumentError as error:
        print(
            f"unstride {command} {recipe}: {_option_error_message(error, recipe)}", file=sys.stderr
        )
        return 2
    except (ValueError, OSError) as error:
        print(f"unstride {command} {recipe}: {error_message(error)}", file=sys.stderr)
        return 1
    for name, value in (answer or {}).items():
        print(f"{name:24} {value:10.4f}")
    return 0


def error_message(error: Exception) -> str:
    """What an error says; one of a process that loads photographs is at the end of a traceback."""
    said = str(error).strip()
    if said.startswith("Caught "):
        said = said.splitlines()[-1].partition(": ")[2]
    return said


def _option_error_message(error: ArgumentError, recipe: str) -> str:
    """What is wrong with an option, in one line."""
    said = re.sub(r"(--[\w-]+)/--\w+", r"\1", " ".join(str(error).split()))
    unknown = re.fullmatch("Option '(.+)' is not accepted", said)  # only of files
    said = f"config: {unknown[1]} is no option of {recipe}" if unknown else said
    return f"{said} (--help has all options)"


def config_names() -> list[str]:
    """The names of the configs that come with this package."""
    return sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))


def _resolve_config_names(arguments: list[str]) -> list[str]:
    """The arguments, with a path where --config has a name.

    Raises:
        ValueError: if there is neither a file nor a config of that name.
    """
    found = list(arguments)
    for place, word in enumerate(arguments):
        flag, equals, name = word.partition("=")
        if flag != "--config" or (not equals and place + 1 == len(arguments)):
            continue
        given = name if equals else arguments[place + 1]
        packaged = CONFIG_FOLDER / f"{given}.yaml"
        if not Path(given).is_file() and not packaged.is_file():
            raise ValueError(
                f"config {given}: no such file, and of the names {', '.join(config_names())}"
            )
        path = given if Path(given).is_file() else str(packaged)
        found[place + (not equals)] = f"--config={path}" if equals else path
    return found


def parse_recipe_options(command: str, recipe: str, arguments: list[str]) -> dict[str, Any]:
    """What to call a recipe's function with.

    Args:
        command: fit or validate.
        recipe: a module of unstride.recipes.
        arguments: the words behind these two.

    Raises:
        ValueError: if there is no such config.
        ArgumentError: if an option is missing, unknown or not of its type.
    """
    module = import_module(f"unstride.recipes.{recipe}")
    function, options = getattr(module, command), getattr(module, "Options", None)
    parser = create_recipe_parser(command, recipe, function, options)
    chosen = parser.parse_words(_resolve_config_names(arguments))
    chosen.pop("config", None)
    if options is None:
        return chosen
    split = {"split": chosen.pop("split")} if command == "validate" else {}
    return {"options": options(**chosen)} | split
