"""Ways to break analysis."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/analysis/cost.py", ("tests/cli/test_main.py",),
        ("biases are free", "(2 * prod(out_shape) if bias is not None else 0)", "0"),
        ("taps of a row", "2 * weights[2] ** 2 * prod(out_shape)", "2 * weights[2] * prod(out_shape)"),
    ),
    *mutants_of(
        "unstride/analysis/footprint.py", ("tests/analysis/test_footprint.py",),
        ("trace: x and y exchanged", "trace_pixel(out[0, :, y, x], maps)", "trace_pixel(out[0, :, x, y], maps)"),
        ("trace: predictions not frozen", "with frozen_predictions(upsampler), record_maps", "with record_maps"),
        ("trace: the sum for the mean", "vjps[0].gradients[name].mean(0)", "vjps[0].gradients[name].sum(0)"),
        ("trace: the generic sum for the plain one", "vjps[0].gradients[name].mean(0)", "vjps[1].gradients[name].mean(0)"),
        ("trace: mixing is not noticed", "return bool(difference > 100", "return bool(difference > 1e9"),
        ("trace: everything mixes", "return bool(difference > 100", "return bool(difference > -1"),
        ("trace: channels of another number", "if len(ones) != len(random_vjp.cotangent):", "if False:"),
        ("trace: the larger number of channels", "min(len(pixel), ", "max(len(pixel), "),
        ("trace: special numbers", "VectorJacobianProduct(pixel, maps, random)", "VectorJacobianProduct(pixel, maps, 2 * torch.ones_like(pixel))"),
        ("strongest: columns for rows", "(i % width, i // width,", "(i // width, i % width,"),
        ("footprint: outside below", "0 <= x < w and", "x < w and"),
        ("footprint: outside above", "0 <= y < h)", "0 <= y <= h)"),
        ("footprint: the output is a stage", "if maps[name] is not out", "if maps[name] is not None"),
        ("recorded: names stay", "if known is None or rename:", "if known is None:"),
        ("recorded: no gradient is started", "else args[0].detach().requires_grad_()", "else args[0]"),
        ("recorded: hooks stay", "            hook.remove()", "            pass"),
    ),
    *mutants_of(
        "unstride/analysis/freeze.py", ( "tests/upsamplers/test_base.py", "tests/upsamplers/test_pair.py", ),
        ("still frozen after an exception", "    try:\n        yield\n    finally:\n        for module", "    if True:\n        yield\n        for module"),
        ("frozen twice, thawed once", " and name not in vars(module)", ""),
    ),
    *mutants_of(
        "unstride/analysis/jacobian.py", ("tests/analysis/test_footprint.py",),
        ("rows: what a cut-out says is not checked", "if patch and matches_vjps(", "if patch or matches_vjps("),
        ("rows: the check always agrees", "            return False", "            pass"),
        ("rows: no cut-outs", "if not has_fixed_weights(call.module):", "if call:"),
        ("rows: corner forgotten", "top : top + h, left : left + w] = rows.square", ":h, :w] = rows.square"),
        ("rows: the first chunk alone", "patch.rows.split(chunk_size)", "[patch.rows[:1]]"),
        ("rows: the whole map forgotten", "squares[name] += row.square()", "squares[name] += 0 * row"),
    ),
]  # fmt: skip
