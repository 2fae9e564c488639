"""Ways to break ops."""

from tests.mutants.mutant import mutants_of

NUMBA = "tests/ops/test_backends.py", "-k", "numba or nan or batch or layout or channels or wider"
CPU_JOBS = (
    "tests/ops/test_backends.py", "tests/ops/test_processes.py",
    "-k", "numba or wider or processes or threads or forked",
)  # fmt: skip
TRITON = "tests/ops/test_backends.py", "-k", "triton or nan"
LAWS = "tests/ops/test_laws.py", "tests/ops/test_border.py", "tests/ops/test_gradients.py"

MUTANTS = [
    *mutants_of(
        "unstride/ops/border.py", ("tests/ops/test_border.py", "tests/ops/test_laws.py"),
        ("reflects about the edge", "period - folded)", "period - folded - 1)"),
        ("replicates one too far", "indices.clamp(0, n - 1)", "indices.clamp(0, n - 2)"),
        ("bottom not folded", "for i in (0, 2))", "for i in (0, 0))"),
        ("edge too narrow", "edge = -(-k * n_out // (2 * max(n_in, 1)))", "edge = k * n_out // (3 * max(n_in, 1))"),
        ("columns folded as rows", "parts = tensor.split([edge, n_out - 2 * edge, edge], dim)", "parts = tensor.split([edge, n_out - 2 * edge, edge], dim)[::-1]"),
        ("excludes only rows", "for axis in (0, 1):", "for axis in (0,):"),
        ("weight doubled", "torch.zeros_like(part).scatter_add", "part.scatter_add"),
    ),
    *mutants_of(
        "unstride/ops/cpu.py", NUMBA,
        ("a lane takes its neighbour's tap", 'f"w{j}_{t} * f{s + t}"', 'f"w{j}_{t} * f{max(s + t - 1, 0)}"'),
        ("first row not summed", "for r in range(row_first[y], stop):\n                    if is_adjoint", "for r in range(row_first[y] + 1, stop):\n                    if is_adjoint"),
        ("line not cleared", "line[:] = 0\n", "line[:1] = 0\n"),
        ("ring row not cleared", "    row[:] = 0\n    if y < 0", "    if y < 0"),
        ("ring one row short", "depth, widest = row_count[y_start:y_stop].max(),", "depth, widest = max(row_count[y_start:y_stop].max() - 1, 1),"),
        ("left border read from the right", "x_first, n, eights = max(x, 0)", "x_first, n, eights = abs(x)"),
        ("channels past eights lost", "    for i in range(eights, n):\n        for j in range(pixels):\n            row[", "    for i in range(eights, eights):\n        for j in range(pixels):\n            row["),
        ("last channels not written", "    for i in range(eights, n):\n        for j in range(pixels):\n            memory[", "    for i in range(eights, eights):\n        for j in range(pixels):\n            memory["),
        ("weights transposed", "gathered[x - x_start, p, q] = weights[p, q, y, x]", "gathered[x - x_start, p, q] = weights[q, p, y, x]"),
        ("adjoint: weights transposed", "plane = weights[y - row_start[r], :, r]", "plane = weights[:, y - row_start[r], r]"),
        ("adjoint: right border", "if 0 <= s < w else 0", "if 0 <= s < w - 1 else 0"),
        ("lanes where they do not fit", "together = fits_lanes[x] and x + lanes <= x_stop\n                whole", "together = x + lanes <= x_stop\n                whole"),
        ("taps after the passes lost", "for t in range(whole, col_count[x]):", "for t in range(whole, whole + col_count[x] * (1 - together)):"),
        ("dots: a tap missed", "for p in range(k):\n                    at =", "for p in range(k - (k > 2)):\n                    at ="),
        ("dots: queries one pixel off", "_load_row(queries, query_layout, y, x_start, x_stop - x_start, line)", "_load_row(queries, query_layout, y, x_start + 1, x_stop - x_start, line)"),
    ),
    *mutants_of(
        "unstride/ops/cpu_jobs.py", CPU_JOBS,
        ("second image takes the first's", "first = image * step_b + channels", "first = channels"),
        ("a group takes the next one's channels", "for channels in _channel_blocks(j * c, (j + 1) * c)", "for channels in _channel_blocks((g - 1 - j) * c, (g - j) * c)"),
        ("last rows left out", "tile_height = -(-H // bands)\n", "tile_height = -(-H // bands)\n    H -= H % tile_height\n"),
        ("last columns left out", "for x in range(0, W, tile_width)", "for x in range(0, W - tile_width + 1 if W > tile_width else 1, tile_width)"),
    ),
    *mutants_of(
        "unstride/ops/cpu_threads.py", CPU_JOBS,
        ("a job is skipped", "while (ticket := next(tickets)) < len(jobs):", "while (ticket := next(tickets)) < len(jobs) - (len(jobs) > 1):"),
        ("helpers not awaited", "            if not helper.cancel():\n                helper.result()", "            helper.cancel()"),
        ("a team in a forked child", "if pid != IMPORT_PID or multiprocessing.parent_process() is not None:", "if False:"),
        ("a failure in a team is lost", "    if errors:\n        raise errors[0]\n", ""),
        ("a child uses its parent's pool", "_thread_pool(os.getpid(), threads - 1)", "_thread_pool(0, threads - 1)"),
    ),
    *mutants_of(
        "unstride/ops/source_ranges.py", CPU_JOBS,
        ("lanes of unlike windows", "alike.all(1) & (self.count[lanes] == common_count).all(1)", "alike.all(1)"),
    ),
    *mutants_of(
        "unstride/ops/registration.py", LAWS,
        ("no gradient for 42 of 49 taps", "        correlate(grad, features, k, g) if ctx.needs_input_grad[1] else None,\n    )\n\n\ndef _correlate_backward", "        correlate(grad, features, k, g) * (torch.arange(k * k, device=grad.device).sqrt() % 1 == 0).view(k, k, 1, 1) if ctx.needs_input_grad[1] else None,\n    )\n\n\ndef _correlate_backward"),
        ("reassemble: gradient 0.1 % off", "scatter(grad, weights, features.shape[2:]) if", "1.001 * scatter(grad, weights, features.shape[2:]) if"),
        ("correlate: gradient of queries has the wrong sign", "reassemble(keys, grad) if", "-reassemble(keys, grad) if"),
        ("correlate: no gradient for keys", "scatter(queries, grad, keys.shape[2:]) if ctx.needs_input_grad[1] else None", "None"),
        ("scatter: gradient of weights doubled", "correlate(values, grad, k, g) if", "2 * correlate(values, grad, k, g) if"),
        ("scatter: second derivative cut", "reassemble(grad, weights) if", "reassemble(grad.detach(), weights) if"),
    ),
    *mutants_of(
        "unstride/ops/functional.py", ("tests/ops/test_torch_contract.py", "-k", "autocast"),
        ("autocast is ignored", "or not torch.is_autocast_enabled(device)", "or torch.is_autocast_enabled(device)"),
        ("autocast casts float64", "t if t.dtype == torch.float64 else t.to(dtype)", "t.to(dtype)"),
    ),
    *mutants_of(
        "unstride/ops/gpu.py", TRITON,
        ("weights transposed", "at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, is_pixel", "at = weights + b * wb + g * wg + q * wp + p * wq + y * wy + x * wx\n        weight = tl.load(at, is_pixel"),
        ("last tap forgotten", "for tap in range(k * k):", "for tap in range(k * k - 1):"),
        ("no bottom border", "inside = is_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)\n        at", "inside = is_pixel & (r >= 0) & (r <= h) & (s >= 0) & (s < w)\n        at"),
        ("left border wraps", "    inside = is_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)\n    total", "    inside = is_pixel & (r >= 0) & (r < h) & (s >= -1) & (s < w)\n    total"),
        ("groups share their weights", "at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, is_pixel", "at = weights + b * wb + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, is_pixel"),
        ("scatter: a row of outputs missed", "is_output = is_pixel & (dy < ny)", "is_output = is_pixel & (dy < ny - 1)"),
        ("scatter: taps transposed", "at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, is_output", "at = weights + b * wb + g * wg + q * wp + p * wq + y * wy + x * wx\n        weight = tl.load(at, is_output"),
        ("scatter: off the map", "& (y >= 0) & (y < H) & (x >= 0) & (x < W)", "& (y >= 0) & (y < H - 1) & (x >= 0) & (x < W)"),
        ("correlate: channels past a tile lost", "for first in range(0, c, BLOCK_CHANNELS):", "for first in range(0, c - c % BLOCK_CHANNELS, BLOCK_CHANNELS):"),
        ("correlate: second group takes the first", "queries + b * qb + (g * c + channel)[:, None] * qc", "queries + b * qb + channel[:, None] * qc"),
        ("sums in half precision", "else tl.float32", "else tl.float16"),
        ("second image takes the first's", "source = features + b * fb +", "source = features +"),
    ),
    *mutants_of(
        "unstride/ops/portable.py", ("tests/ops/test_portable.py",),
        ("rows not moved on", "index_select(2, first + p)", "index_select(2, first)"),
        ("the first group for all", "weights[:, :, p].movedim(2, -1)", "weights[:, :1, p].movedim(2, -1).expand(-1, g, -1, -1, -1)"),
        ("margin one short", "width, k, device)[:, None] + torch.arange(k, device=device) + margin", "width, k, device)[:, None] + torch.arange(k, device=device) + max(margin - 1, 0)"),
    ),
    *mutants_of(
        "unstride/ops/reference.py", ("tests/ops/test_laws.py", "tests/ops/test_backends.py"),
        ("reassemble: taps transposed", "addcmul(out, tap, weights[:, :, None, p, q])", "addcmul(out, tap, weights[:, :, None, q, p])"),
        ("reassemble: last tap forgotten", "        for q in range(k):\n            tap =", "        for q in range(k - (p == k - 1 and k > 1)):\n            tap ="),
        ("reassemble: groups interleaved", "tap = row.index_select(3, cols + q).unflatten(1, (g, c // g))", "tap = row.index_select(3, cols + q).unflatten(1, (c // g, g)).transpose(1, 2)"),
        ("reassemble: rows taken for columns", "source, weights = pad(upcast_half(features), (k // 2,) * 4)", "source, weights = pad(upcast_half(features), (k // 2,) * 4).roll(1, 2)"),
        ("reassemble: border repeated", "source, weights = pad(upcast_half(features), (k // 2,) * 4), upcast_half(weights)", "source, weights = pad(upcast_half(features), (k // 2,) * 4, mode='replicate'), upcast_half(weights)"),
        ("correlate: groups mixed", "scores.append(products.unflatten(1, (g, c // g)).sum(2))", "scores.append(products.unflatten(1, (c // g, g)).sum(1))"),
        ("correlate: taps transposed", "return torch.stack(scores, 2).unflatten(2, (k, k))", "return torch.stack(scores, 2).unflatten(2, (k, k)).transpose(2, 3)"),
        ("correlate: mean for sum", "(g, c // g)).sum(2))", "(g, c // g)).mean(2))"),
        ("scatter: overwrites", "out = out.index_add(2, rows + p, row)", "out = out.index_copy(2, rows + p, row)"),
        ("scatter: taps transposed", "(source * weights[:, :, None, p, q]).flatten(1, 2)", "(source * weights[:, :, None, q, p]).flatten(1, 2)"),
        ("scatter: crop off by one", "out[:, :, margin : margin + h,", "out[:, :, margin : margin + h].roll(1, 2)[:, :, :,"),
    ),
    *mutants_of(
        "unstride/ops/softmax.py", ("tests/upsamplers/test_sapa.py",),
        ("taps beyond the border take part", '"exclude"', '"replicate"'),
    ),
    *mutants_of(
        "unstride/ops/softmax.py", ("tests/upsamplers/test_naf.py", "tests/upsamplers/test_anyup.py"),
        ("one cell too many", "(taps >= stop)", "(taps > stop)"),
        ("bounds for rows only", "enumerate((rows, columns))", "enumerate((rows,))"),
    ),
    *mutants_of(
        "unstride/ops/window.py", ("tests/ops/test_laws.py",),
        ("pixel centres forgotten", "twice = 2 * outputs + 1", "twice = 2 * outputs"),
        ("up: not centred on the pixel", "- kernel_size // 2\n", "- (kernel_size - 1) // 2\n"),
        ("same size treated as up", "if output_size > input_size:", "if output_size >= input_size + 2:"),
        ("down: rounds up", "// span - kernel_size", "// span - kernel_size + 1"),
        ("down: window off by half", "kernel_size * output_size) // span", "kernel_size * output_size - output_size) // span"),
        ("adjoint windows: first output missed", "inputs - kernel_size + 1)", "inputs - kernel_size + 2)"),
        ("adjoint windows: margin too small", "(kernel_size + 1) * output_size // max(input_size, 1) + 2", "0"),
    ),
]  # fmt: skip
