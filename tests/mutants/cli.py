"""Ways to break cli."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/cli/fit.py", ("tests/training/test_task_run.py", "-k", "sentence"),
        ("the whole traceback", 'said.startswith("Caught ")', "False"),
        ("with its type", '.partition(": ")[2]', ""),
    ),
    *mutants_of(
        "unstride/cli/fit.py", ("tests/training/test_task_run.py", "-k", "config or validated or option"),
        ("names are paths", "        if not Path(given).is_file() and not packaged.is_file():", "        if not Path(given).is_file():"),
        ("any name", "        if not Path(given).is_file() and not packaged.is_file():", "        if False:"),
        ("anything can be validated", "    if act is None:", "    if False:"),
        ("the whole usage", ", exit_on_error=False", ""),
        ("on many lines", '" ".join(str(error).split())', "str(error)"),
        ("a file's option as it is said", " if unknown else said", " if False else said"),
    ),
]  # fmt: skip
