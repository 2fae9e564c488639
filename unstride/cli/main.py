"""The entry point of `unstride`. torch is loaded when a command runs, not for --help."""

import sys
from collections.abc import Sequence

from unstride.cli.commands import COMMANDS
from unstride.cli.missing_package import missing_package_message

TASK_RECIPES = ("segmentation", "detection", "panoptic", "depth", "multitask")
PRETRAINING_RECIPES = ("pixpro", "pixcontrast", "densecl", "byol")
RECIPES_BY_COMMAND = {  # modules of unstride.recipes
    "fit": ("featup", "affinity", "inpainting", "matting", *PRETRAINING_RECIPES, *TASK_RECIPES),
    "validate": TASK_RECIPES,
}


def main(words: Sequence[str] | None = None) -> int:
    """Parse the command line and run the command; returns its exit code."""
    from unstride.cli.parser import create_parser

    words = list(sys.argv[1:] if words is None else words)
    command, recipe, *rest = [*words, "", ""][: max(len(words), 2)]
    if command in RECIPES_BY_COMMAND and recipe in RECIPES_BY_COMMAND["fit"]:
        return dispatch_recipe(command, recipe, rest)  # its own parser knows its options
    options = create_parser(COMMANDS, RECIPES_BY_COMMAND).parse_args(words)
    arguments = vars(options[options.subcommand])
    arguments.pop("what", None)  # of eval and data, which have one
    return COMMANDS[options.subcommand](**arguments)


def dispatch_recipe(command: str, recipe: str, words: list[str]) -> int:
    """Train or validate with a recipe; says what to install if a package is missing."""
    if recipe not in RECIPES_BY_COMMAND[command]:
        print(f"unstride {command}: recipe {recipe} does not support {command}", file=sys.stderr)
        return 2
    try:
        from unstride.cli.fit import run_recipe

        return run_recipe(command, recipe, words)
    except ModuleNotFoundError as error:
        print(missing_package_message(command, error), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
