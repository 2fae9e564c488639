"""Ways to break export."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/export/onnx.py", ("tests/export/test_onnx.py",),
        ("keywords are positions", "((), dict(example_inputs)) if", "(tuple(example_inputs.values()), {}) if"),
        ("anything is an example", "if not isinstance(example_inputs, tuple | Mapping):", "if False:"),
    ),
    *mutants_of(
        "unstride/export/onnx.py", ("tests/upsamplers/test_every_upsampler.py", "-k", "onnx_of_a_size"),
        ("limits are not seen", "bounds.upper < LARGEST and", "False and"),
    ),
    *mutants_of(
        "unstride/export/onnx_operators.py", ("tests/upsamplers/test_every_upsampler.py", "-k", "any_size and nearest-2"),
        ("windows of the example's size", "enlarged = op.Sub(op.Div(centre, span), _scalar(k // 2))", "enlarged = op.Sub(op.Div(op.Add(centre, span), span), _scalar(k // 2))"),
        ("taps in reverse", "_vector(*range(k))", "_vector(*reversed(range(k)))"),
        ("columns for rows", "perm=[0, 1, 3, 4, 2])\n    by_row", "perm=[0, 2, 3, 4, 1])\n    by_row"),
        ("the pool's windows do not overlap", "op.Less(op.Mul(j, n_out), end)", "op.Less(op.Mul(op.Add(j, _scalar(1)), n_out), op.Add(end, _scalar(1)))"),
        ("torch's pool", "    if any_size:\n", "    if False:\n"),
    ),
]  # fmt: skip
