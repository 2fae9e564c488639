"""Ways to break export."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/export/onnx.py", ("tests/export/test_onnx.py",),
        ("keywords are positions", "((), dict(example_inputs)) if", "(tuple(example_inputs.values()), {}) if"),
        ("anything is an example", "if not isinstance(example_inputs, tuple | Mapping):", "if False:"),
    ),
]  # fmt: skip
