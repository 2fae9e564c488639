"""Ways to break analysis."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/analysis/cost.py", ("tests/cli/test_main.py",),
        ("biases are free", "(2 * prod(out_shape) if bias is not None else 0)", "0"),
        (
            "taps of a row",
            "2 * weights[2] ** 2 * prod(out_shape)",
            "2 * weights[2] * prod(out_shape)",
        ),
    ),
    *family(
        "unstride/analysis/footprint.py", ("tests/analysis/test_footprint.py",),
        (
            "trace: x and y exchanged",
            "trace(out[0, :, y, x], maps)",
            "trace(out[0, :, x, y], maps)",
        ),
        (
            "trace: predictions not frozen",
            "with frozen_predictions(upsampler), recorded",
            "with recorded",
        ),
        ("trace: the sum for the mean", "sums[0].on[name].mean(0)", "sums[0].on[name].sum(0)"),
        (
            "trace: the generic sum for the plain one",
            "sums[0].on[name].mean(0)",
            "sums[1].on[name].mean(0)",
        ),
        ("trace: mixing is not noticed", "return bool(apart > 100", "return bool(apart > 1e9"),
        ("trace: everything mixes", "return bool(apart > 100", "return bool(apart > -1"),
        ("trace: channels of another number", "if len(one) != len(others.numbers):", "if False:"),
        ("trace: the larger number of channels", "min(len(pixel), ", "max(len(pixel), "),
        (
            "trace: special numbers",
            "Sums(pixel, maps, generic)",
            "Sums(pixel, maps, 2 * torch.ones_like(pixel))",
        ),
        ("strongest: columns for rows", "(i % width, i // width,", "(i // width, i % width,"),
        ("footprint: outside below", "0 <= x < w and", "x < w and"),
        ("footprint: outside above", "0 <= y < h)", "0 <= y <= h)"),
        (
            "footprint: the output is a stage",
            "if maps[name] is not out",
            "if maps[name] is not None",
        ),
        ("recorded: names stay", "if known is None or rename:", "if known is None:"),
        (
            "recorded: no gradient is started",
            "else args[0].detach().requires_grad_()",
            "else args[0]",
        ),
        ("recorded: hooks stay", "            hook.remove()", "            pass"),
    ),
    *family(
        "unstride/analysis/freeze.py", (
            "tests/upsamplers/test_base.py",
            "tests/upsamplers/test_pair.py",
        ),
        (
            "still frozen after an exception",
            "    try:\n        yield\n    finally:\n        for module",
            "    if True:\n        yield\n        for module",
        ),
        ("frozen twice, thawed once", " and name not in vars(module)", ""),
    ),
    *family(
        "unstride/analysis/jacobian.py", ("tests/analysis/test_footprint.py",),
        (
            "rows: what a cut-out says is not checked",
            "if patch and adds_up(",
            "if patch or adds_up(",
        ),
        ("rows: the check always agrees", "            return False", "            pass"),
        ("rows: no cut-outs", "if not is_local(call.module):", "if call:"),
        (
            "rows: corner forgotten",
            "top : top + h, left : left + w] = rows.square",
            ":h, :w] = rows.square",
        ),
        ("rows: the first chunk alone", "patch.rows.split(several)", "[patch.rows[:1]]"),
        ("rows: the whole map forgotten", "found[name] += row.square()", "found[name] += 0 * row"),
    ),
]
