"""Ways to break cli."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/cli/fit.py", ("tests/training/test_task_run.py", "-k", "sentence or every_error"),
        ("the whole traceback", "if caught is None:", "if True:"),
        ("an empty message", '(messages[-1] if messages else "") or type_name', "messages[-1]"),
        ("the first of two errors", "messages[-1] if messages", "messages[0] if messages"),
        ("the last line", 're.findall(rf"^(?:\\w+\\.)*{type_name}\\b(?:: (.+))?", str(error), re.MULTILINE)', '[str(error).splitlines()[-1].partition(": ")[2]]'),
    ),
    *mutants_of(
        "unstride/cli/fit.py", ("tests/training/test_task_run.py", "-k", "config or validated or option"),
        ("names are paths", "        if not Path(config).is_file() and not packaged.is_file():", "        if not Path(config).is_file():"),
        ("any name", "        if not Path(config).is_file() and not packaged.is_file():", "        if False:"),
        ("on many lines", '" ".join(str(error).split())', "str(error)"),
        ("the parser's own word for an option", "key[1].replace('_', '-')", "key[1]"),
        ("a file's option as it is said", " if unknown else text", " if False else text"),
    ),
    *mutants_of(
        "unstride/cli/missing_package.py", ("tests/cli/test_main.py", "-k", "missing"),
        ("a package without a name", 'if error.name else "a package"', 'if True else ""'),
    ),
    *mutants_of(
        "unstride/cli/parser.py", ("tests/cli/test_main.py", "-k", "terms"),
        ("no terms of commands", "epilog=TERMS if loads_weights else None", "epilog=None"),
        ("no terms of recipes", 'epilog=TERMS if command == "fit" else None', "epilog=None"),
    ),
    *mutants_of(
        "unstride/cli/main.py", ("tests/training/test_task_run.py", "-k", "validated"),
        ("anything can be validated", "    if recipe not in RECIPES_BY_COMMAND[command]:", "    if False:"),
    ),
    *mutants_of(
        "unstride/cli/parser.py", ("tests/training/test_task_run.py", "-k", "config or validated or option"),
        ("the whole usage", "        exit_on_error=False,\n", ""),
    ),
    *mutants_of(
        "unstride/cli/options.py", ("tests/cli/test_options.py",),
        ("underscores are not known", "dict.fromkeys((flag, f\"--{option.name}\"))", "[flag]"),
        ("both forms are shown", 'if not re.search(r"_|\\+$", flag)', "if flag"),
        ("everything is optional", 'settings["required"] = True', "pass"),
        ("defaults of lists are shared text", "return field.default_factory()", "return field.default_factory"),
        ("texts of the class alone", "classes = reversed(source.__mro__) if isinstance(source, type) else [source]", "classes = [source]"),
        ("an x is a letter", r'r"(?<=\d)x(?=\d)|,"', 'r","'),
        ("a negative number is an option", 'r"--?[A-Za-z]"', 'r"-"'),
        ("lists become text", "if several not in (tuple, list) or", "if True or"),
        ("null in brackets", ' or values == ["null"]', ""),
        ("any order of subjects", "sorted(self.subjects, key=order.index)", "list(reversed(self.subjects))"),
        ("defaults are said twice", ' or "Default:" in text', ""),
        ("lists of descriptions are filled", r'r"\n(?=- )"', r'r"\n(?=\* )"'),
        ("sizes are lists", '"x".join(shown) if is_size else ', ""),
    ),
]  # fmt: skip
