"""The command line: torch is loaded when a command runs."""

import sys
from collections.abc import Sequence

from unstride.cli.commands import COMMANDS, missing_package_message

TASK_RECIPES = ("segmentation", "detection", "panoptic", "depth", "multitask")
RECIPES_BY_COMMAND = {
    "fit": ("featup", "affinity", *TASK_RECIPES),
    "validate": TASK_RECIPES,
}  # of unstride.recipes


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run the command, return its exit code."""
    from unstride.cli.parser import create_parser

    given = list(sys.argv[1:] if arguments is None else arguments)
    if (
        given[:1] in (["fit"], ["validate"])
        and given[1:2]
        and given[1] in RECIPES_BY_COMMAND["fit"]
    ):
        return dispatch_recipe(given[0], given[1], given[2:])  # its own parser knows its options
    options = create_parser(COMMANDS, RECIPES_BY_COMMAND).parse_args(given)
    chosen = vars(options[options.subcommand])
    chosen.pop("what", None)  # of eval, which has one
    return COMMANDS[options.subcommand](**chosen)


def dispatch_recipe(command: str, name: str, arguments: list[str]) -> int:
    """Train or validate; the options are those of the recipe."""
    try:
        from unstride.cli.fit import run_recipe

        return run_recipe(command, name, arguments)
    except ModuleNotFoundError as error:
        print(missing_package_message(command, error), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
