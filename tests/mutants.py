"""`make mutants`: break each kernel in named ways; a mutant that no test notices is a hole.

A test counts once it has been seen to fail. Each mutant is one replacement in one file. It
runs in a process of its own, in which that module is loaded from the broken source, with the
tests that are responsible for it; the first failure kills it.
"""

import argparse
import importlib.abc
import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

ROOT = Path(__file__).parent.parent


@dataclass
class Mutant:
    """A way to break a file: what it is called, what stands there, what shall stand there."""

    file: str
    name: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """The name under which the file is imported."""
        return self.file.removesuffix(".py").replace("/", ".")

    def source(self) -> str:
        """The broken source; the replacement must be possible in exactly one place."""
        text = (ROOT / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file}: {self.name}: found {text.count(self.old)} times")
        return text.replace(self.old, self.new)


def family(file: str, tests: tuple[str, ...], *ways: tuple[str, str, str]) -> list[Mutant]:
    """Mutants of one file."""
    return [Mutant(file, name, old, new, tests) for name, old, new in ways]


NUMBA = "tests/ops/test_backends.py", "-k", "numba or nan or batch or layout or channels or wider"
TRITON = "tests/ops/test_backends.py", "-k", "triton or nan"
LAWS = "tests/ops/test_laws.py", "tests/ops/test_border.py", "tests/ops/test_gradients.py"
SWAPPING = (
    "tests/swapping/test_swap.py",
    "tests/swapping/test_places.py",
    "-k",
    "not compiles and not exports",
)

MUTANTS = [
    *family(
        "unstride/ops/reference.py", ("tests/ops/test_laws.py", "tests/ops/test_backends.py"),
        ("reassemble: taps transposed", "addcmul(out, tap, weights[:, :, None, p, q])",
         "addcmul(out, tap, weights[:, :, None, q, p])"),
        ("reassemble: last tap forgotten", "        for q in range(k):\n            tap =",
         "        for q in range(k - (p == k - 1 and k > 1)):\n            tap ="),
        ("reassemble: groups interleaved", "tap = row.index_select(3, cols + q).unflatten(1, (g, c // g))",
         "tap = row.index_select(3, cols + q).unflatten(1, (c // g, g)).transpose(1, 2)"),
        ("reassemble: rows taken for columns", "source, weights = pad(widened(features), (k // 2,) * 4)",
         "source, weights = pad(widened(features), (k // 2,) * 4).roll(1, 2)"),
        ("reassemble: border repeated", "source, weights = pad(widened(features), (k // 2,) * 4), widened(weights)",
         "source, weights = pad(widened(features), (k // 2,) * 4, mode='replicate'), widened(weights)"),
        ("reassemble: half types not widened", "return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor",
         "return tensor"),
        ("correlate: groups mixed", "scores.append(products.unflatten(1, (g, c // g)).sum(2))",
         "scores.append(products.unflatten(1, (c // g, g)).sum(1))"),
        ("correlate: taps transposed", "return torch.stack(scores, 2).unflatten(2, (k, k))",
         "return torch.stack(scores, 2).unflatten(2, (k, k)).transpose(2, 3)"),
        ("correlate: mean for sum", "(g, c // g)).sum(2))", "(g, c // g)).mean(2))"),
        ("scatter: overwrites", "out = out.index_add(2, rows + p, row)",
         "out = out.index_copy(2, rows + p, row)"),
        ("scatter: taps transposed", "(source * weights[:, :, None, p, q]).flatten(1, 2)",
         "(source * weights[:, :, None, q, p]).flatten(1, 2)"),
        ("scatter: crop off by one", "out[:, :, margin : margin + h,", "out[:, :, margin : margin + h].roll(1, 2)[:, :, :,"),
    ),
    *family(
        "unstride/ops/window.py", ("tests/ops/test_laws.py",),
        ("pixel centres forgotten", "twice = 2 * outputs + 1", "twice = 2 * outputs"),
        ("up: not centred on the pixel", "- kernel_size // 2\n", "- (kernel_size - 1) // 2\n"),
        ("same size treated as up", "if output_size > input_size:", "if output_size >= input_size + 2:"),
        ("down: rounds up", "// span - kernel_size", "// span - kernel_size + 1"),
        ("down: window off by half", "kernel_size * output_size) // span", "kernel_size * output_size - output_size) // span"),
        ("holders: first one missed", "inputs - kernel_size + 1)", "inputs - kernel_size + 2)"),
        ("holders: margin too small", "(kernel_size + 1) * output_size // max(input_size, 1) + 2", "0"),
    ),
    *family(
        "unstride/ops/border.py", ("tests/ops/test_border.py", "tests/ops/test_laws.py"),
        ("reflects about the edge", "period - folded)", "period - folded - 1)"),
        ("replicates one too far", "indices.clamp(0, n - 1)", "indices.clamp(0, n - 2)"),
        ("bottom not folded", "for i in (0, 2))", "for i in (0, 0))"),
        ("edge too narrow", "edge = -(-k * n_out // (2 * max(n_in, 1)))", "edge = k * n_out // (3 * max(n_in, 1))"),
        ("columns folded as rows", "parts = tensor.split([edge, n_out - 2 * edge, edge], dim)",
         "parts = tensor.split([edge, n_out - 2 * edge, edge], dim)[::-1]"),
        ("excludes only rows", "for axis in (0, 1):", "for axis in (0,):"),
        ("weight doubled", "torch.zeros_like(part).scatter_add", "part.scatter_add"),
    ),
    *family(
        "unstride/ops/cpu.py", NUMBA,
        ("a lane takes its neighbour's tap", "f\"w{j}_{t} * f{s + t}\"", "f\"w{j}_{t} * f{max(s + t - 1, 0)}\""),
        ("first row not summed", "for r in range(row0[y], end):\n                    if adjoint", "for r in range(row0[y] + 1, end):\n                    if adjoint"),
        ("line not cleared", "line[:] = 0\n", "line[:1] = 0\n"),
        ("ring row not cleared", "    row[:] = 0\n    if y < 0", "    if y < 0"),
        ("ring one row short", "depth, widest, staged = rows[ya:yb].max(),", "depth, widest, staged = max(rows[ya:yb].max() - 1, 1),"),
        ("left border read from the right", "low, n, eights = max(x, 0)", "low, n, eights = abs(x)"),
        ("channels past eights lost", "    for i in range(eights, n):\n        for j in range(pixels):\n            row[", "    for i in range(eights, eights):\n        for j in range(pixels):\n            row["),
        ("last channels not written", "    for i in range(eights, n):\n        for j in range(pixels):\n            memory[", "    for i in range(eights, eights):\n        for j in range(pixels):\n            memory["),
        ("weights transposed", "found[x - xa, p, q] = weights[p, q, y, x]", "found[x - xa, p, q] = weights[q, p, y, x]"),
        ("adjoint: weights transposed", "plane = weights[y - row_start[r], :, r]", "plane = weights[:, y - row_start[r], r]"),
        ("adjoint: right border", "if 0 <= s < w else 0", "if 0 <= s < w - 1 else 0"),
        ("lanes where they do not fit", "together = fits[x] and x + lanes <= xb\n                whole", "together = x + lanes <= xb\n                whole"),
        ("taps behind the pieces lost", "for t in range(whole, cols[x]):", "for t in range(whole, whole + cols[x] * (1 - together)):"),
        ("dots: a tap missed", "for p in range(k):\n                    at =", "for p in range(k - (k > 2)):\n                    at ="),
        ("dots: queries one pixel off", "_stage(queries, plan, y, xa, xb - xa, line)", "_stage(queries, plan, y, xa + 1, xb - xa, line)"),
    ),
    *family(
        "unstride/ops/jobs.py", ("tests/ops/test_backends.py", "tests/ops/test_processes.py", "-k", "numba or wider or processes or threads or forked"),
        ("second image takes the first's", "first = image * step_b + channels", "first = channels"),
        ("a group takes the next one's channels", "for channels in _blocks(j * c, (j + 1) * c)", "for channels in _blocks((g - 1 - j) * c, (g - j) * c)"),
        ("a job is skipped", "while (ticket := next(tickets)) < len(jobs):", "while (ticket := next(tickets)) < len(jobs) - (len(jobs) > 1):"),
        ("helpers not awaited", "            if not helper.cancel():\n                helper.result()", "            helper.cancel()"),
        ("a team in a forked child", "if process != FIRST_PROCESS or multiprocessing.parent_process() is not None:", "if False:"),
        ("a failure in a team is lost", "    if failed:\n        raise failed[0]\n", ""),
        ("last rows left out", "band = -(-H // bands)\n", "band = -(-H // bands)\n    H -= H % band\n"),
        ("last columns left out", "for x in range(0, W, strip)", "for x in range(0, W - strip + 1 if W > strip else 1, strip)"),
        ("a child uses its parent's pool", "_pool(os.getpid(), threads - 1)", "_pool(0, threads - 1)"),
        ("lanes of unlike windows", "alike.all(1) & (self.count[lanes] == self.span).all(1)", "alike.all(1)"),
    ),
    *family(
        "unstride/ops/functional.py", LAWS,
        ("no gradient for 42 of 49 taps", "        correlate(grad, features, k, g) if ctx.needs_input_grad[1] else None,\n    )\n\n\ndef _correlate_backward",
         "        correlate(grad, features, k, g) * (torch.arange(k * k, device=grad.device).sqrt() % 1 == 0).view(k, k, 1, 1) if ctx.needs_input_grad[1] else None,\n    )\n\n\ndef _correlate_backward"),
        ("reassemble: gradient 0.1 % off", "scatter(grad, weights, features.shape[2:]) if", "1.001 * scatter(grad, weights, features.shape[2:]) if"),
        ("correlate: gradient of queries has the wrong sign", "reassemble(keys, grad) if", "-reassemble(keys, grad) if"),
        ("correlate: no gradient for keys", "scatter(queries, grad, keys.shape[2:]) if ctx.needs_input_grad[1] else None", "None"),
        ("scatter: gradient of weights doubled", "correlate(values, grad, k, g) if", "2 * correlate(values, grad, k, g) if"),
        ("scatter: second derivative cut", "reassemble(grad, weights) if", "reassemble(grad.detach(), weights) if"),
    ),
    *family(
        "unstride/ops/gpu.py", TRITON,
        ("weights transposed", "at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, some_pixel", "at = weights + b * wb + g * wg + q * wp + p * wq + y * wy + x * wx\n        weight = tl.load(at, some_pixel"),
        ("last tap forgotten", "for tap in range(k * k):", "for tap in range(k * k - 1):"),
        ("no bottom border", "inside = some_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)\n        at", "inside = some_pixel & (r >= 0) & (r <= h) & (s >= 0) & (s < w)\n        at"),
        ("left border wraps", "    inside = some_pixel & (r >= 0) & (r < h) & (s >= 0) & (s < w)\n    total", "    inside = some_pixel & (r >= 0) & (r < h) & (s >= -1) & (s < w)\n    total"),
        ("groups share their weights", "at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, some_pixel", "at = weights + b * wb + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, some_pixel"),
        ("scatter: a row of holders missed", "holds = some_pixel & (dy < ny)", "holds = some_pixel & (dy < ny - 1)"),
        ("scatter: taps transposed", "at = weights + b * wb + g * wg + p * wp + q * wq + y * wy + x * wx\n        weight = tl.load(at, holds", "at = weights + b * wb + g * wg + q * wp + p * wq + y * wy + x * wx\n        weight = tl.load(at, holds"),
        ("scatter: off the map", "& (y >= 0) & (y < H) & (x >= 0) & (x < W)", "& (y >= 0) & (y < H - 1) & (x >= 0) & (x < W)"),
        ("correlate: channels past a tile lost", "for first in range(0, c, CHANNELS):", "for first in range(0, c - c % CHANNELS, CHANNELS):"),
        ("correlate: second group takes the first", "queries + b * qb + (g * c + channel)[:, None] * qc", "queries + b * qb + channel[:, None] * qc"),
        ("sums in half precision", "else tl.float32", "else tl.float16"),
        ("second image takes the first's", "source = features + b * fb +", "source = features +"),
    ),
    *family(
        "unstride/ops/by_rows.py", ("tests/ops/test_by_rows.py",),
        ("rows not moved on", "index_select(2, first + p)", "index_select(2, first)"),
        ("the first group for all", "weights[:, :, p].movedim(2, -1)", "weights[:, :1, p].movedim(2, -1).expand(-1, g, -1, -1, -1)"),
        ("margin one short", "width, k, device)[:, None] + torch.arange(k, device=device) + margin", "width, k, device)[:, None] + torch.arange(k, device=device) + max(margin - 1, 0)"),
    ),
    *family(
        "unstride/upsamplers/attention.py",
        ("tests/upsamplers/test_naf.py", "tests/upsamplers/test_anyup.py"),
        ("rotated the other way", "torch.cat([-second, first], 1)", "torch.cat([second, -first], 1)"),
        ("one cell too many", "(taps >= end)", "(taps > end)"),
        ("bounds for rows only", "enumerate((rows, columns))", "enumerate((rows,))"),
        ("blocks forget their input", "maps + self.block(maps) if", "self.block(maps) if"),
        ("shapes of a file not compared", "if tuple(state[key].shape) != shape:", "if False:"),
        ("more in a file goes unnoticed", "if key not in shapes:", "if False:"),
    ),
    *family(
        "unstride/upsamplers/naf.py", ("tests/upsamplers/test_naf.py",),
        ("neighbourhood cut at the border", "(own - SIDE // 2).clamp(0, max(cells - SIDE, 0))", "own - SIDE // 2"),
        ("window too small for a corner", "reach = min(max(grid), SIDE) - 1", "reach = SIDE // 2"),
        ("scores not scaled", " / math.sqrt(head.shape[1])", ""),
        ("rows and columns exchanged", "torch.cat([rows, columns, rows, columns])", "torch.cat([columns, rows, columns, rows])"),
        ("image reduced to the output", "OVERSAMPLING * min(size)", "min(size)"),
        ("channels to heads rounded down", "-(-head * features.shape[1] // HEADS)", "head * features.shape[1] // HEADS"),
    ),
    *family(
        "unstride/upsamplers/anyup.py", ("tests/upsamplers/test_anyup.py",),
        ("cells half in reach left out", ".ceil()", ".floor()"),
        ("reach in double precision", "dtype=torch.float32) + 0.5", "dtype=torch.float64) + 0.5"),
        ("window one cell narrower", "int(REACH * n) + 1 + (m < n)", "int(REACH * n) + (m < n)"),
        ("filters darker at the border", "(answers / cells)", "(answers / 25)"),
        ("orders exchanged", "if self.released_order:", "if not self.released_order:"),
        ("features of any length", "normalize(features, dim=1)", "features"),
        ("queries load as keys", "queries, keys, _ = state", "keys, queries, _ = state"),
    ),
    *family(
        "unstride/swapping/frames.py", SWAPPING,
        ("a child's calls are its caller's", "        outer.depth += 1\n", "        outer.depth += 0\n"),
        ("the depth is not taken back", "        outer.depth -= 1\n", "        pass\n"),
        ("every call is the first", "self.counts[signature] += 1", "pass"),
        ("checkpoints never bring upsamplers", "is not None and not held:", "is not None:"),
        ("more places than known pass", "not in self.role.calls and known and", "not in self.role.calls and False and"),
        ("guides are not kept", "outer.outputs[role.path] = out", "pass"),
        ("any type is returned", "return up(features, None, size).to(features.dtype)", "return up(features, None, size)"),
    ),
    *family(
        "unstride/swapping/dry_run.py", SWAPPING,
        ("the farthest guide first", "for visit in reversed(self.visits):", "for visit in self.visits:"),
        ("the oldest guide first", "reversed(visit.outputs.items())", "visit.outputs.items()"),
        ("a guide of other images", " and len(tensor) == len(features)", ""),
        ("a second run takes no guide away", "self.places[key] = replace(self.places[key], guides=guides)", "pass"),
        ("training flags stay off", "module.training = flag", "pass"),
        ("buffers stay changed", "buffer.copy_(before)", "pass"),
    ),
    *family(
        "unstride/swapping/surgery.py", SWAPPING,
        ("idle weights want gradients", ".requires_grad_(False)", ""),
        ("upsamplers train while the model does not", ".train(module.training)", ""),
        ("nn.Upsample has no code of its own", " and not isinstance(child, nn.Upsample)", ""),
        ("a name is no more than a pattern", "or place.name in named:", "or False:"),
        ("every scale is 2", "max(place.scale, 1)", "2"),
    ),
    *family(
        "unstride/swapping/descent.py", SWAPPING,
        ("weights end no mark", "marks = frozenset({INPUT, LEARNED})", "pass"),
        ("what is learned is forgotten", "frozenset({INPUT, LEARNED})", "frozenset({INPUT})"),
    ),
    *family("unstride/swapping/places.py", SWAPPING, ("corners tell no calls apart", "bool(align_corners)", "False")),
    *family(
        "unstride/upsamplers/published.py", ("tests/upsamplers/test_published.py",),
        ("scopes ignored", 'dynamic_scope="scope.weight" in state', "dynamic_scope=False"),
        ("styles exchanged", "shuffled_first = out != centres", "shuffled_first = out == centres"),
        ("every file is the norm's", 'norm = "model.1.norm.weight" in state', "norm = True"),
        ("groups from any scale", "groups = centres.shape[1] // (2 * scale**2)", "groups = centres.shape[1] // 8"),
        ("prefix not taken off", "k[len(prefix) :]", "k"),
    ),
    *family(
        "unstride/upsamplers/featup_implicit.py", ("tests/upsamplers/test_published.py",),
        ("phases as they are stored", "self.phases.reshape(2, n, INPUTS, 1, 1)", "self.phases.transpose(1, 2).reshape(2, n, INPUTS, 1, 1)"),
        ("colours of the batch", "image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)", "image.amin((0, 2, 3), keepdim=True), image.amax((0, 2, 3), keepdim=True)"),
        ("rows and columns exchanged", "torch.cat([rows, columns, colours], 1)", "torch.cat([columns, rows, colours], 1)"),
        ("half a pixel off", "(pixels / samples) - 0.5", "(pixels / samples)"),
    ),
    *family(
        "unstride/upsamplers/cost.py", ("tests/test_cli.py",),
        ("biases are free", "(2 * prod(out_shape) if bias is not None else 0)", "0"),
        ("taps of a row", "2 * weights[2] ** 2 * prod(out_shape)", "2 * weights[2] * prod(out_shape)"),
    ),
    *family(
        "unstride/upsamplers/convolution.py", ("tests/upsamplers/test_convolution.py",),
        ("resized to the pixel's corner", "mode, reach = \"nearest-exact\", 0", "mode, reach = \"nearest\", 0"),
        ("deconv: crop at the other end", "margin = -(-(k - scale) // 2)", "margin = (k - scale) // 2"),
        ("deconv: one column of zeros fewer", "output_padding=2 * margin + scale - k", "output_padding=max(2 * margin + scale - k - 1, 0)"),
        ("other sizes alias", ", antialias=True", ""),
    ),
    *family(
        "unstride/upsamplers/carafe.py", ("tests/upsamplers/test_carafe.py",),
        ("taps before groups", "        logits = shuffled(logits, self.scale, size)\n        k = self.kernel_size\n        return normalised(logits.unflatten(1, (self.groups, k, k)),", "        logits = shuffled(logits, self.scale, size)\n        k = self.kernel_size\n        return normalised(logits.unflatten(1, (k, k, self.groups)).movedim(3, 1),"),
        ("sum over rows alone", "weights / weights.sum((2, 3), keepdim=True)", "weights / weights.sum(2, keepdim=True)"),
        ("dilation forgotten in the padding", "padding=dilation * (encoder_size // 2),\n            dilation=dilation", "padding=encoder_size // 2,\n            dilation=1"),
        ("down: encoder one pixel off", "padding=encoder_size // 2,\n        )", "padding=encoder_size // 2 - (encoder_size > 1),\n        )"),
    ),
    *family(
        "unstride/upsamplers/spatial_attention.py", ("tests/upsamplers/test_spatial_attention.py",),
        ("gate of the coarse grid", "fine * self.predict_gate(fine)", "fine * interpolate(self.predict_gate(features), fine.shape[2:])"),
        ("tanh for sigmoid", ".sigmoid()", ".tanh()"),
    ),
    *family(
        "unstride/upsamplers/a2u.py",
        ("tests/upsamplers/test_a2u.py", "tests/upsamplers/test_base.py", "tests/upsamplers/test_pair.py"),
        ("sum over channels not scaled", "products.sum(1) / x.shape[1] ** 0.5", "products.sum(1)"),
        ("ranks taken for channels", "(first * second).unflatten(1, (x.shape[1], self.rank))\n        return products.sum(1)", "(first * second).unflatten(1, (self.rank, x.shape[1]))\n        return products.sum(2)"),
        ("one bank for both", "leaky_relu(self.norm_v(self.filtered(x, self.v)))", "leaky_relu(self.norm_v(self.filtered(x, self.u)))"),
        ("the first image's filters for all", "filters[:, None].to(x.dtype)", "filters[: c * self.rank, None].repeat(b, 1, 1, 1).to(x.dtype)"),
        ("semi-shared interleaved", ").flatten(0, 3)\n", ").transpose(1, 2).flatten(0, 3)\n"),
        ("p by rank first", "p.unflatten(1, (-1, self.rank))", "p.unflatten(1, (self.rank, -1)).transpose(1, 2)"),
        ("pair: two affinities", "        self.up.affinity = self.down.affinity\n", ""),
        ("pair: weights not predicted", "self.down.predict_from(fine, affinity, size)", "type(self.down).predict_from(self.down, fine, affinity, size)"),
    ),
    *family(
        "unstride/upsamplers/index.py", ("tests/upsamplers/test_index.py", "tests/upsamplers/test_pair.py", "tests/upsamplers/test_base.py",),
        ("softmax over rows alone", "index.flatten(2, 3).softmax(2).flatten(1, 2)", "index.softmax(2).flatten(1, 3)"),
        ("rows and columns of a cell exchanged", "index.permute(0, 1, 4, 2, 5, 3)", "index.permute(0, 1, 4, 3, 5, 2)"),
        ("context one pixel off at odd scales", "(side - scale + 1) // 2", "(side - scale) // 2"),
        ("no sigmoid", ".unflatten(2, (s, s)).sigmoid()", ".unflatten(2, (s, s))"),
        ("branches after channels", "torch.stack(indices, 2)", "torch.stack(indices, 1).flatten(1, 2).unflatten(1, (-1, len(indices)))"),
        ("zeros beyond the border compete", "value=-torch.inf", "value=0.0"),
        ("maximum of the window beside", "window_start(n_in, n_out, s, features.device)", "(window_start(n_in, n_out, s, features.device) + 1).clamp(max=n_in - s)"),
        ("pair: coarse grid rounded down", "size = self.down.output_size(fine)", "size = (index.shape[4], index.shape[5])"),
        ("pair: weights not predicted", "self.up.predict_gates(index,", "type(self.up).predict_gates(self.up, index,"),
    ),
    *family(
        "unstride/upsamplers/sapa.py", ("tests/upsamplers/test_sapa.py",),
        ("taps beyond the border take part", "\"exclude\"", "\"replicate\""),
        ("gate the other way round", "gate * queries + (1 - gate) * nearest(keys, size)", "(1 - gate) * queries + gate * nearest(keys, size)"),
        ("scores scaled", "correlate(queries, keys, self.kernel_size)", "correlate(queries, keys, self.kernel_size) / keys.shape[1] ** 0.5"),
        ("keys not normalised", "coarse = self.norm(features)", "coarse = features + 0 * self.norm(features)"),
    ),
    *family(
        "unstride/upsamplers/fade.py", ("tests/upsamplers/test_fade.py",),
        ("gate the other way round", "gate * guide + (1 - gate) * fine", "(1 - gate) * guide + gate * fine"),
        ("bias forgotten", " + self.bias\n", " + 0 * self.bias\n"),
        ("the features say nothing", "nearest(from_features, size) +", "0 * nearest(from_features, size) +"),
        ("gate enlarged smoothly", "nearest(self.gate(features).sigmoid(), size)", "torch.nn.functional.interpolate(self.gate(features).sigmoid(), size, mode='bilinear')"),
    ),
    *family(
        "unstride/upsamplers/guided_filter.py", ("tests/upsamplers/test_guided_filter.py",),
        ("border counted as zero", "count_include_pad=False", "count_include_pad=True"),
        ("slopes not averaged", "slopes.append(self.mean(slope))", "slopes.append(slope)"),
        ("ridge doubled", "self.epsilon * torch.eye", "2 * self.epsilon * torch.eye"),
        ("centre not given back", "zip(slopes, centres, strict=True)", "()"),
    ),
    *family(
        "unstride/upsamplers/dysample.py", ("tests/upsamplers/test_dysample.py",),
        ("x and y exchanged", "torch.stack([at[:, 0] * (2 / w) + x, at[:, 1] * (2 / h) + y[:, None]], -1)", "torch.stack([at[:, 1] * (2 / w) + x, at[:, 0] * (2 / h) + y[:, None]], -1)"),
        ("group before axis", "offsets.transpose(1, 2))", "offsets.reshape(len(offsets), self.groups, 2, *size))"),
        ("beyond the border lie zeros", "\"border\", False", "\"zeros\", False"),
        ("corners aligned", "\"border\", False", "\"border\", True"),
        ("offsets in output pixels", "at[:, 0] * (2 / w)", "at[:, 0] * (2 / W)"),
        ("dynamic scope not halved", "STATIC_SCOPE, DYNAMIC_SCOPE = 0.25, 0.5", "STATIC_SCOPE, DYNAMIC_SCOPE = 0.25, 1.0"),
    ),
    *family(
        "unstride/upsamplers/gum.py", ("tests/upsamplers/test_gum.py",),
        ("x and y exchanged", "self.predict_offsets(features, size)[:, None]", "self.predict_offsets(features, size).flip(1)[:, None]"),
        ("table enlarged by repetition", "mode=\"bilinear\", align_corners=False", "mode=\"nearest\""),
    ),
    *family(
        "unstride/upsamplers/pooling.py", ("tests/upsamplers/test_pooling.py",),
        ("blur: border counts as zero", "return fold_border(weights, (features.shape[2], features.shape[3]), \"replicate\")", "return weights"),
        ("blur: squared kernel", "self.kernel.abs() / self.kernel.abs().sum()", "self.kernel**2 / (self.kernel**2).sum()"),
        ("attention: bias before gain", "scores * self.gain[:, :, None, None] + self.bias[:, :, None, None]", "(scores + self.bias[:, :, None, None]) * self.gain[:, :, None, None]"),
        ("attention: drops out in evaluation", "if self.training:", "if True:"),
        ("attention: single taps dropped", "torch.rand_like(scores[:, :, :1, :1])", "torch.rand_like(scores)"),
        ("attention: what was not smoothed", "smoothed(features) if self.blur else features", "features"),
    ),
    *family(
        "unstride/upsamplers/base.py", ("tests/upsamplers/test_base.py", "tests/upsamplers/test_pair.py",),
        ("cascade: first stages too fine", "grids.append((min(h, size[0]), min(w, size[1])))", "grids.append((h, w))"),
        ("sub-pixels by columns", "nearest(pixel_shuffle(predictions, scale), size)", "nearest(pixel_shuffle(predictions.mT, scale).mT, size)"),
        ("centres in floating point", "maps.shape[2:], size, strict=True)):\n", "maps.shape[2:], size, strict=True)) or True:\n"),
        ("still frozen after an exception", "    try:\n        yield\n    finally:\n        for module", "    if True:\n        yield\n        for module"),
        ("frozen twice, thawed once", " and name not in vars(module)", ""),
    ),
    *family(
        "unstride/upsamplers/pair.py", ("tests/upsamplers/test_pair.py",),
        ("up to its own size", ", (fine.shape[2], fine.shape[3]))", ")"),
        ("guided by what is coarse", "guide = fine if", "guide = coarse if"),
    ),
    *family(
        "unstride/upsamplers/tracing.py", ("tests/upsamplers/test_tracing.py",),
        ("trace: x and y exchanged", "trace(out[0, :, y, x], maps)", "trace(out[0, :, x, y], maps)"),
        ("trace: predictions not frozen", "with frozen_predictions(upsampler), recorded",
         "with recorded"),
        ("trace: the sum for the mean", "sums[0].on[name].mean(0)", "sums[0].on[name].sum(0)"),
        ("trace: the generic sum for the plain one", "sums[0].on[name].mean(0)",
         "sums[1].on[name].mean(0)"),
        ("trace: mixing is not noticed", "return bool(apart > 100", "return bool(apart > 1e9"),
        ("trace: everything mixes", "return bool(apart > 100", "return bool(apart > -1"),
        ("trace: channels of another number", "if len(one) != len(others.numbers):", "if False:"),
        ("trace: the larger number of channels", "min(len(pixel), ", "max(len(pixel), "),
        ("trace: special numbers", "Sums(pixel, maps, generic)",
         "Sums(pixel, maps, 2 * torch.ones_like(pixel))"),
        ("strongest: columns for rows", "(i % width, i // width,", "(i // width, i % width,"),
        ("footprint: outside below", "0 <= x < w and", "x < w and"),
        ("footprint: outside above", "0 <= y < h)", "0 <= y <= h)"),
        ("footprint: the output is a stage", "if maps[name] is not out", "if maps[name] is not None"),
        ("recorded: names stay", "if known is None or rename:", "if known is None:"),
        ("recorded: no gradient is started", "else args[0].detach().requires_grad_()",
         "else args[0]"),
        ("recorded: hooks stay", "            hook.remove()", "            pass"),
    ),
    *family(
        "unstride/upsamplers/jacobian.py", ("tests/upsamplers/test_tracing.py",),
        ("rows: what a cut-out says is not checked", "if patch and adds_up(",
         "if patch or adds_up("),
        ("rows: the check always agrees", "            return False", "            pass"),
        ("rows: no cut-outs", "if not is_local(call.module):", "if call:"),
        ("rows: corner forgotten", "top : top + h, left : left + w] = rows.square",
         ":h, :w] = rows.square"),
        ("rows: the first chunk alone", "patch.rows.split(several)", "[patch.rows[:1]]"),
        ("rows: the whole map forgotten", "found[name] += row.square()", "found[name] += 0 * row"),
    ),
    *family(
        "unstride/dots.py", ("tests/test_dots.py",),
        ("dots: at the cell's corner", "((x + 0.5) * cw - left)", "(x * cw - left)"),
        ("dots: rows for columns", "for y, x in (weights", "for x, y in (weights"),
        ("dots: the radius is the share", "full * math.sqrt(abs(share))", "full * abs(share)"),
        ("dots: one colour", "RED if share > 0 else BLUE", "RED"),
        ("dots: the box is not used", "bottom = box or", "bottom = None or"),
        ("dots: the ring is half a cell off", "(point[0] - left) * zoom",
         "(point[0] + 5 - left) * zoom"),
        ("closer: every cell counts", "VISIBLE * float", "0 * float"),
        ("closer: beyond the grid", "min(max(start, 0.0), room)", "start"),
        ("closer: point forgotten", "(min(place, *ends), max(place, *ends))",
         "(min(ends), max(ends))"),
        ("titled: text is cut", "*(int(font.getlength(t)) + 8 for t, _ in rows)", "0"),
    ),
    *family(
        "unstride/upsamplers/cut.py", ("tests/upsamplers/test_tiles.py", "-k", "whole or way or room"),
        ("cut: the guide's pixels may be cut", "for n in (self.pixels, self.seen)", "for n in (self.pixels,)"),
        ("cut: the result's pixels may be cut", "for n in (self.pixels, self.seen)", "for n in (self.seen,)"),
        ("cut: a tile without its halo", "max(a - margin, 0), min(b + margin, self.cells)", "a, b"),
        ("cut: a halo beyond the map", "max(a - margin, 0)", "a - margin"),
        ("cut: half a halo", "-(-self.halo // step) * step", "self.halo // step * step"),
        ("cut: some ways left out", "range(1, units + 1)", "range(1, units)"),
        ("cut: what cannot be cut is", "return [1]", "return [1, 2]"),
        ("cut: the smallest is the largest", "return max(span.end", "return min(span.end"),
        ("cut: the largest is the total", "return sum(span.end", "return max(span.end"),
    ),
    *family(
        "unstride/upsamplers/tiles.py",
        ("tests/upsamplers/test_tiles.py", "tests/models/test_pieces.py", "-k", "not resident"),
        ("tiles: the halo stays", "y.start - top : y.stop - top", "0 : y.stop - y.start"),
        ("tiles: margins beyond the map", "max(axis.pixel(s.start) - margin, 0)", "axis.pixel(s.start) - margin"),
        ("tiles: no halo for the margin", "halo += cells_under(margin, grid, size)", "halo += 0"),
        ("tiles: the guide of another place", "slice(axis.seen_pixel(s.start), axis.seen_pixel(s.stop))",
         "slice(0, axis.seen_pixel(s.stop) - axis.seen_pixel(s.start))"),
        ("tiles: an enlarged guide is not seen", "halo + cells_under(1, grid, seen)", "halo"),
        ("tiles: most cells first", 'key=lambda n: (over_axes("total", n), prod(n))',
         'key=lambda n: (-over_axes("total", n), prod(n))'),
        ("tiles: any room will do", "self._bytes(parts) <= room:", "True:"),
        ("tiles: no safety", "SAFETY * peak + min(2 * peak, HEAP)", "peak"),
        ("tiles: the caller's bytes forgotten", "(self.beside + kept)", "kept"),
        ("tiles: in training too", "len(self) > 1 and upsampler.training", "False"),
        ("tiles: any module is cut", "if not isinstance(upsampler, Upsampler):", "if False:"),
    ),
    *family(
        "unstride/upsamplers/peak.py", ("tests/upsamplers/test_tiles.py", "-k", "counted"),
        ("peak: what was given counts", "self.known[tensor.untyped_storage()] = True", "pass"),
        ("peak: views count", "        if storage in self.known:\n            return\n", ""),
        ("peak: nothing ends", "self.now -= size", "pass"),
        ("peak: all in inference mode", "torch.inference_mode(False), ", ""),
        ("peak: what is left, not the peak", "return living.most", "return living.now"),
    ),
    *family(
        "unstride/models/pieces.py", ("tests/models/test_pieces.py",),
        ("pieces: the padding stays", "slice(min(s.start, n), min(s.stop, n))\n            for", "s\n            for"),
        ("pieces: empty ones too", "if piece.features.numel():", "if True:"),
        ("pieces: too small a margin", "ceil(1.5 * max(1, *shrink) + 1)", "0"),
        ("pieces: resized beyond the image", "slice(min(window.start, n), min(window.stop, n))", "window"),
        ("pieces: resized memory forgotten", "* resized", "* 0"),
        ("triangles: no antialias", "/ max(n / m, 1)", "/ 1"),
        ("triangles: half a pixel off", "+ 0.5) * (n / m)", "+ 0.0) * (n / m)"),
        ("triangles: sums differ at borders", "weights / weights.sum(1, keepdim=True)", "weights / max(n / m, 1)"),
        ("covering: never cropped alone", "if all(n.is_integer() for n in scaled):", "if False:"),
    ),
    *family(
        "unstride/models/memory.py", ("tests/models/test_memory.py",),
        ("memory: GiB is GB", "1024 ** ", "1000 ** "),
        ("memory: nothing is a size", "if size := int(float(number) * step):", "if (size := int(float(number) * step)) >= 0:"),
        ("memory: what is in use is free", "else memory - used", "else memory"),
        ("memory: all that is left", "int(SHARE * left)", "int(left)"),
        ("memory: no groups", "*_left_in_groups(root)])", "])"),
        ("memory: its own group alone", "(group, *group.parents)", "(group,)"),
        ("memory: the cache is in use", "+ (int(cached[1]) if cached else 0)", ""),
        ("memory: less than nothing", "return max(int(most)", "return (lambda a, b: a)(int(most)"),
        ("memory: another controller's group", 'number != "0" and "memory" not in controllers.split(",")', "False"),
    ),
    *family(
        "unstride/models/feature_file.py", ("tests/models/test_feature_file.py",),
        ("for the owner alone", "file.chmod(usual)", "pass"),
        ("file: rows for columns", "(c * height + rows.start) * width", "(c * width + rows.start) * height"),
        ("file: columns all at the left", "width + columns.start", "width"),
        ("file: rows on top of each other", "(first + i * width)", "first"),
        ("file: header not padded", 'header += b" " * (-len(header) % 8)', ""),
        ("file: appears at once", 'path.with_name(f"{path.name}.{os.getpid()}.tmp")', "path"),
        ("file: leftovers", "beside.unlink(missing_ok=True)", "pass"),
        ("file: any disk will do", "< size:", "< 0:"),
    ),
    *family(
        "unstride/models/explain.py", ("tests/models/test_explain.py",),
        ("explain: x by the height", "int((x + 0.5) * columns / w)", "int((x + 0.5) * rows / h)"),
        ("explain: no half pixel", "int((y + 0.5) * rows / h)", "int(y * rows / h)"),
        ("explain: points outside", "if not (0 <= x < w and 0 <= y < h):", "if False:"),
        ("explain: --at outside", "if x < w and y < h:", "if x <= w and y <= h:"),
        ("explain: rows before columns", "            return x, y", "            return y, x"),
        ("explain: the output is a stage", "one.stages.pop(", "dict().pop("),
        ("explain: any suffix", 'out.suffix.lower() != ".png"', "not out.suffix"),
        ("explain: never untrained", "if not trained and", "if False and"),
        ("explain: always untrained", "if not trained and", "if True and"),
        ("explain: bilinear learns", "and _learned(model.upsampler)", "and model"),
        ("explain: weights ignored", "stages=stages, weights=weights)", "stages=stages)"),
        ("explain: stages ignored", "stages=stages, weights=weights)", "weights=weights)"),
        ("explain: stages are not written", '{"features": one} | one.stages', '{"features": one}'),
    ),
    *family(
        "unstride/losses/consistency.py", ("tests/losses/test_consistency.py",),
        ("likelihood: doubt is a variance", "2 * sigma.square()", "2 * sigma"),
        ("likelihood: doubt is free", " + sigma.log()", ""),
        ("variation: rows alone", "return down + (maps", "return down + 0 * (maps"),
        ("the doubt starts large", "parameter.mul_(0.1)", "parameter.mul_(1)"),
        ("doubt unbounded", ".clamp(min=1e-4)", ""),
        ("crf: place does not count", "-apart / (2 * PLACE) - colour", "-colour"),
        ("crf: wide is close", "2 * CLOSE", "2 * PLACE"),
        ("crf: channels are summed", " / found.shape[2]", ""),
    ),
    *family(
        "unstride/data/views.py", ("tests/recipes/test_featup.py",),
        ("no flip", "torch.where(flip[:, None] > 0, x.flip(0), x)", "x"),
        ("rows by the columns", "y = y * side[:, None] + top[:, None]", "y = y * side[:, None] + left[:, None]"),
        ("never beyond the edge", "+ 2 * pad)[:, None] - pad", ")[:, None]"),
        ("crops of the same place", "self.seed * 1_000_003 + index", "self.seed"),
    ),
    *family(
        "unstride/models/cached.py", ("tests/recipes/test_featup.py",),
        ("every image the same", "digest.update(image", "digest.copy().update(image"),
        ("nothing is kept", "        if missing:", "        missing = list(range(len(image)))\n        if missing:"),
    ),
    *family(
        "unstride/upsamplers/featup.py", ("tests/upsamplers/test_featup.py",),
        ("bilinear mirrored", "[0 * PHASES, 1 - PHASES, PHASES, 0 * PHASES]", "[0 * PHASES, PHASES, 1 - PHASES, 0 * PHASES]"),
        ("never renormalised", "if self.renormalise:", "if False:"),
        ("sums may vanish", "sums.clamp(max=-least), sums.clamp(min=least)", "sums, sums"),
    ),
    *family(
        "unstride/upsamplers/image_encoder.py", ("tests/upsamplers/test_image_encoder.py",),
        ("padded on both sides alike", "right // 2, right - right // 2", "right - right // 2, right // 2"),
        ("epsilon forgotten", "+ epsilon)", ")"),
        ("never added to the input", "return x + y if self.skips else y", "return y"),
        ("unbounded", "x = relu6(self.stem", "x = torch.relu(10 * self.stem"),
    ),
    *family(
        "unstride/upsamplers/pixel_keys.py", ("tests/upsamplers/test_pixel_keys.py",),
        ("not made whole", "-(-n // COARSEST) * COARSEST", "n"),
        ("not centred", "(maps - self.mean) / self.std", "maps / self.std"),
    ),
    *family(
        "unstride/upsamplers/bilateral_stack.py", ("tests/upsamplers/test_pixel_keys.py",),
        ("keys forgotten", "colours if keys is None else", "colours if True else"),
        ("no sharper than likely", " * self.sharpness", ""),
        ("one round", "range(self.rounds)", "range(1)"),
        ("space at half its width", "(-2 * self.log_sigma_space).exp()", "(-self.log_sigma_space).exp()"),
        ("colours unscaled", "guide * (-self.log_sigma_range).exp()", "guide"),
    ),
    *family(
        "unstride/upsamplers/featup_variants.py", ("tests/upsamplers/test_featup_variants.py",),
        ("always the first weights", "if pretrained is True else pretrained", "if pretrained else pretrained"),
        ("as many stages as asked for", "scale = f\"paper_{trained}\", TRAINED[trained]", "scale = f\"paper_{trained}\", scale"),
        ("fresh weights", "        upsampler.load_state_dict(load(file.read_bytes()))", "        file.read_bytes()"),
        ("any name for the default", "elif pretrained is not True:", "elif False:"),
    ),
    *family(
        "unstride/recipes/run.py", ("tests/recipes/test_featup.py", "-k", "same_seed or folder"),
        ("starts again", "return path if path.exists() else None", "return None"),
        ("the curve is lost", "self.curve = checkpoint[\"curve\"]", "pass"),
        ("the folder is for the trained channels", "describe(upsampler) | {\"channels\": channels}", "describe(upsampler)"),
    ),
    *family(
        "unstride/recipes/affinity.py", ("tests/recipes/test_affinity.py",),
        ("oneself is a neighbour", " & ((p, q) != (k // 2, k // 2))", ""),
        ("no segment is a segment", "(there >= 0) & (segments >= 0)", "(there >= -1)"),
        ("across: likelihood of its opposite", "-torch.log(-torch.expm1(-half))", "half"),
        ("segments half a step aside", "+ STRIDE / 2) * n / m", "+ 3 * STRIDE) * n / m"),
        ("flipped image, straight segments", "segments.flip(2)) if", "segments) if"),
    ),
    *family(
        "unstride/data/labels.py", ("tests/data/test_labelled.py",),
        ("size not compared", "if size is not None and", "if False and size is not None and"),
        ("colour taken for labels", "if image.mode not in modes:", "if False:"),
        ("eight bits taken for depth", 'DEPTH_MODES = (', 'DEPTH_MODES = ("L", '),
        ("centimetres", "unit: float = 0.001", "unit: float = 0.01"),
    ),
    *family(
        "unstride/data/base.py", ("tests/data/test_labelled.py",),
        ("missing labels go unnoticed", "self._check_complete()", "pass"),
        ("out of the table is clamped", "wrong = (labels < 0) | (inside != numbers)", "wrong = labels < 0"),
        ("no class is a class", "wrong = (labels < 0) | (inside != numbers)", "wrong = inside != numbers"),
        ("files in any order", "return sorted(p for", "return (lambda found: sorted(found, reverse=True))(p for"),
        ("an empty split passes", "if not items:", "if False:"),
    ),
    *family(
        "unstride/data/camvid.py", ("tests/data/test_labelled.py",),
        ("void is a class", "unlabelled=(11, 255)", "unlabelled=(255,)"),
    ),
    *family(
        "unstride/data/cityscapes.py", ("tests/data/test_labelled.py",),
        ("ids taken for train ids", "enumerate(CLASSES)}, unlabelled=(*VOID, 255)",
         "enumerate(range(19))}, unlabelled=(*VOID, 255)"),
        ("train ids read as ids", "self.train_table if path", "self.table if path"),
        ("two classes swapped", '26: "car", 27: "truck"', '27: "car", 26: "truck"'),
    ),
    *family(
        "unstride/data/ade20k.py", ("tests/data/test_labelled.py",),
        ("classes count from 0", "{i + 1: i for i", "{i: i for i"),
    ),
    *family(
        "unstride/data/coco_stuff.py", ("tests/data/test_labelled.py",),
        ("ids count from 1", "for i in range(182) if", "for i in range(1, 183) if"),
        ("an absent id is a class", "ABSENT = (11, 25,", "ABSENT = (12, 25,"),
        ("coarse: absent ids count", "for i in ids if i not in ABSENT", "for i in ids"),
        ("coarse: sky and solid swapped", '"sky": (105, 156),\n    "solid": (126, 134, 149, 159, 161, 181),',
         '"sky": (126, 134, 149, 159, 161, 181),\n    "solid": (105, 156),'),
    ),
    *family(
        "unstride/data/bsds.py", ("tests/data/test_labelled.py",),
        ("regions count from 1", "load_labels(path, size) - 1", "load_labels(path, size)"),
        ("annotator 10 before 2", "key=lambda p: (len(p.stem), p.stem)", "key=lambda p: p.stem"),
    ),
    *family(
        "unstride/data/posed_rgbd.py", ("tests/data/test_labelled.py",),
        ("frame 800 is not trained on", "number <= LAST_TRAIN", "number < LAST_TRAIN"),
        ("frame 840 is not validated on", "number >= FIRST_VAL", "number > FIRST_VAL"),
        ("poses transposed", ".view(3, 4)", ".view(4, 3).mT"),
        ("every frame has the first pose", "poses[image.stem])", "next(iter(poses.values())))"),
    ),
    *family(
        "unstride/data/voc.py", ("tests/data/test_labelled.py",),
        ("outlines are a class", "unlabelled=(255,)", "unlabelled=(0,)"),
    ),
    *family(
        "unstride/metrics/iou.py", ("tests/metrics/test_iou.py",),
        ("band one wider", "side = 2 * width + 1", "side = 2 * width + 3"),
        ("the border makes no band", "value=outside)", "value=-outside)"),
        ("unlabelled makes a band", "labels.float().masked_fill(~known, -1)", "labels.float()"),
        ("unlabelled in the band", "return known & (", "return ("),
        ("predictions on the unlabelled count", "prediction = prediction.masked_fill(~known, UNLABELLED)", "pass"),
        ("both twice in the union", "self._count(target[true]) - both", "self._count(target[true])"),
        ("right by chance of the band", "found & true & (prediction == target)", "found & true"),
        ("any band of the truth", "found & true & (prediction", "true & (prediction"),
        ("absent classes score zero", ".nanmean()", ".nan_to_num().mean()"),
        ("share of the height", "(height**2 + width**2) ** 0.5", "height"),
        ("no band of a small image", "max(1, round(", "max(0, round("),
        ("mIoU: the mean over pixels", 'average="macro"', 'average="micro"'),
        ("mIoU: unlabelled not ignored", "ignore_index=UNLABELLED", "ignore_index=0"),
    ),
    *family(
        "unstride/metrics/depth.py", ("tests/metrics/test_depth.py",),
        ("caps include the far", "(target < caps[1])", "(target > 0)"),
        ("prediction not clamped", ".clamp(*caps)", ""),
        ("clamped before it is aligned", "align(found, true, alignment).clamp(*caps)", "align(found.clamp(*caps), true, alignment)"),
        ("median of the lower", "values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2", "values[(len(values) - 1) // 2] * 2) / 2"),
        ("relative to the prediction", "(found - true).abs() / true", "(found - true).abs() / found"),
        ("sq_rel not relative", "square / true, square", "square, square"),
        ("delta of one side", "torch.maximum(found / true, true / found)", "found / true"),
        ("delta by multiples", "1.25**n", "1.25 * n"),
        ("no shift", "return target.mean() + slope * centred", "return slope * prediction"),
        ("slope without the spread", "if spread > 0 else 0", ""),
        ("roots before the mean of pixels", "self.total += means * pixels", "self.total += _with_roots(means) * pixels"),
        ("no root of an image", "self.total += _with_roots(means)\n", "self.total += means\n"),
        ("empty images count", "if pixels and self.average", "if self.average"),
        ("decimal logarithm", "(found.log() - true.log())", "(found.log10() - true.log10())"),
    ),
    *family(
        "unstride/metrics/cam.py", ("tests/metrics/test_cam.py",),
        ("drop relative to the masked", "/ whole.clamp(", "/ masked.clamp("),
        ("drop not cut off", "(-change).clamp(min=0)", "(-change)"),
        ("equal is an increase", "(change > 0)", "(change >= 0)"),
        ("gain relative to the score", "(1 - whole)", "whole"),
        ("zero over zero", "whole.clamp(min=tiny)", "whole"),
    ),
    *family(
        "unstride/metrics/separation.py", ("tests/metrics/test_separation.py",),
        ("ties count for one", "(counts - 1) / 2", "0"),
        ("only the first annotator", "scores.append(auc.nanmean())", "scores.append(auc[0])"),
        ("an annotator without boundary spoils all", "auc.nanmean()", "auc.mean()"),
        ("boundaries of ids' difference", ".diff(dim=1)[:, 0] != 0", ".diff(dim=1)[:, 0] > 0"),
        ("lengths are seen", "normalize(ends, dim=0)", "ends"),
        ("rows only", "torch.randint(across + down,", "torch.randint(across,"),
        ("pairs run over the border", "drawn // span * width + drawn % span", "drawn"),
        ("images without a score count", "self.count += ~scores.isnan()", "self.count += 1"),
        ("another draw each time", "generator = torch.Generator().manual_seed(seed)", "generator = torch.default_generator"),
        ("half types stay", "torch.promote_types(ends.dtype, torch.float32)", "ends.dtype"),
        ("NaN passes", "if not distance.isfinite().all():", "if False:"),
        ("far counts as near", "- n_positive * (n_positive + 1) / 2", "- n_positive * (n_positive - 1) / 2"),
    ),
    *family(
        "unstride/evaluation/probe.py", ("tests/evaluation/test_probe.py",),
        ("the schedule is not stepped", "        cosine.step()", "        pass"),
        ("the schedule is stepped twice", "        cosine.step()", "        cosine.step(); cosine.step()"),
        ("the seed does not choose pixels", "manual_seed(seed * 1_000_003 + place)", "manual_seed(place)"),
        ("the seed does not start the probe", "    generator = torch.Generator().manual_seed(seed)\n    head", "    generator = torch.Generator().manual_seed(0)\n    head"),
        ("the first weights are anyone's", "parameter.uniform_(-reach, reach, generator=generator)", "parameter.uniform_(-reach, reach)"),
        ("unlabelled pixels are drawn", "known = task.known(target).flatten().nonzero()[:, 0]", "known = torch.arange(target.numel())"),
        ("labels of other pixels", "target.flatten()[chosen]", "target.flatten()[chosen.flip(0)]"),
        ("all probes score as the first", "answers.split(task.outputs, 1)", "[answers[:, : task.outputs]] * len(heads)"),
        ("the bias is lost", "weight[:, :, None, None], bias)", "weight[:, :, None, None])"),
        ("features are not standardised in scoring", "for image, labels, coarse in split.walk(f\"{row.label}: scoring\"):\n        features = grid.frozen.standardised(coarse)",
         "for image, labels, coarse in split.walk(f\"{row.label}: scoring\"):\n        features = coarse"),
        ("large splits are not thinned", "min(self.pixels, self.most // max(images, 1))", "self.pixels"),
    ),
    *family(
        "unstride/evaluation/frozen.py", ("tests/evaluation/test_frozen.py", "tests/evaluation/test_probe.py"),
        ("labels at corners", "+ 0.5) * self.step).long()", ") * self.step).long()"),
        ("cells outside the image", "rows[rows < size[0]], columns[columns < size[1]]", "rows, columns"),
        ("statistics of one image", "total, squares = total + cells.sum(1), squares + cells.square().sum(1)", "total, squares = cells.sum(1), cells.square().sum(1)"),
        ("no deviation", "clamp(min=SMALLEST**2)", "clamp(min=1)"),
        ("features are not kept", "self.kept[index] = self.backbone(image).half().cpu()", "return self.backbone(image).half().cpu()"),
        ("the first images, not spread ones", "[(2 * i + 1) * n // (2 * limit) for i in range(limit)]", "list(range(limit))"),
        ("answers not cropped", "maps[:, :, : size[0], : size[1]]", "maps"),
    ),
    *family(
        "unstride/evaluation/tasks.py", ("tests/evaluation/test_probe.py",),
        ("the worst class", "answers.max(0)", "answers.min(0)"),
        ("depth without its logarithm", "- labels.log()).abs()", "- labels).abs()"),
        ("far depth is known", "& (labels < CAPS[1])", ""),
    ),
    *family(
        "unstride/evaluation/probing.py", ("tests/evaluation/test_measures.py", "-k", "transfer"),
        ("transfer learns from the row", "Row(\"cells\", AsTheyAre()), missing, cells)", "row, missing, bench.grid)"),
        ("transfer trains again", "if seed not in bench.cell_probes", ""),
        ("transfer mixes seeds", "[bench.cell_probes[seed] for seed in seeds]", "list(bench.cell_probes.values())[: len(seeds)][::-1]"),
    ),
    *family(
        "unstride/evaluation/consistency.py", ("tests/evaluation/test_measures.py", "-k", "consistency"),
        ("no mean over views", "errors /= VIEWS * len(bench.scoring)", "errors /= len(bench.scoring)"),
        ("each seed sees the same views", "manual_seed(seed * 1_000_003 + place)", "manual_seed(place)"),
        ("relative to itself", "errors[:, 0] / errors[:, 1]", "errors[:, 0] / errors[:, 0]"),
        ("the view's features are upsampled", "(row.upsampler(bench.frozen, image, coarse), bilinear)", "(bilinear, bilinear)"),
    ),
    *family(
        "unstride/evaluation/cam.py", ("tests/evaluation/test_measures.py", "-k", "map or drop"),
        ("negative scores count", "scores.clamp(min=0).view", "scores.view"),
        ("not stretched", "(scores - low) / (high - low)", "(scores - low) / (0 * high + 1 - low)"),
        ("the image without its map", "shown = image * activation_map", "shown = image * 0.5 + 0 * activation_map"),
        ("class 0", ".softmax(1)[:, label]", ".softmax(1)[:, 0]"),
        ("a band too few", "for band in pixels.split(BAND)]", "for band in pixels.split(BAND)][::-1]"),
    ),
    *family(
        "unstride/evaluation/rows.py", ("tests/evaluation/test_rows.py",),
        ("untrained rows are random", "torch.manual_seed(0)", "pass"),
        ("the caller's random numbers", "with torch.random.fork_rng():", "if True:"),
        ("no repeated doublings", "return stride.bit_length() - 1 if learns else 1", "return 1"),
        ("fitted again", "if digest not in self.fitted:", "if True:"),
        ("all images share a fit", "hashlib.sha256(b\"\".join(seen))", "hashlib.sha256(b'')"),
        ("no gradient in a fit", "with torch.inference_mode(False), torch.enable_grad():", "if True:"),
        ("all is shipped", "if comes_trained(name, options) else", "if True else"),
    ),
    *family(
        "unstride/evaluation/runner.py", ("tests/evaluation/test_runner.py",),
        ("computed again", "if found[seed] is None]", "]"),
        ("the schedule is no option", "options[\"schedule\"] = repr(bench.schedule)", "pass"),
        ("the images are no option", "options |= bench.described()", "options |= {\"dataset\": bench.name, \"grid\": bench.stride}"),
        ("the backbone's weights are no option", "fingerprint(bench.backbone)", "0"),
        ("the row is no option", "options | row.described()", "options | {\"row\": row.label}"),
        ("failures are not told", "outcome.failed.append", "str"),
        ("a failure ends all", "except Exception as error:", "except KeyError as error:"),
        ("any data set will do", "[bench for bench in benches if bench.kind in kinds]", "list(benches)"),
    ),
    *family(
        "unstride/evaluation/store.py", ("tests/evaluation/test_runner.py",),
        ("one file for all options", "hashlib.sha256(text.encode())", "hashlib.sha256(b'')"),
        ("half a file is left", "unfinished.unlink(missing_ok=True)", "pass"),
        ("written in place", "unfinished = path.with_name(f\"{path.name}.{os.getpid()}.tmp\")", "unfinished = path"),
    ),
    *family(
        "unstride/evaluation/report.py", ("tests/evaluation/test_runner.py",),
        ("difference of the means of other rows", "one[value] - two[value]", "two[value] - one[value]"),
        ("population deviation", "statistics.stdev", "statistics.pstdev"),
    ),
    *family(
        "unstride/evaluation/segments.py", ("tests/evaluation/test_measures.py", "-k", "segments"),
        ("no features", "at_every_pixel(bench.frozen, up, features, image)[0]", "at_every_pixel(bench.frozen, up, 0 * features, image)[0]"),
    ),
    *family(
        "unstride/evaluation/features.py", ("tests/evaluation/test_features.py",),
        ("labels may repeat", "if labels.count(label) > 1", "if labels.count(label) > 9"),
        ("a measure without data", "if kinds and not any(", "if False and any("),
        ("no folder by name", "self.data / name if (self.data / name).is_dir() else self.data", "self.data"),
    ),
    *family(
        "unstride/evaluation/cost.py", ("tests/evaluation/test_measures.py", "-k", "time or memory"),
        ("the warm-up counts", "            if turn:", "            if True:"),
        ("bilinear over the row", "own / bilinear", "bilinear / own"),
    ),
    *family(
        "unstride/classifier.py", ("tests/test_classifier.py",),
        ("no bias", " + linear.bias[label]", ""),
        ("any head", "        if not alike:", "        if False:"),
        ("no normalisation", "self.model((image - self.mean.to(image)) / self.std.to(image))", "self.model(image)"),
    ),
    *family(
        "unstride/upsamplers/configuration.py", ("tests/upsamplers/test_folder.py", "-k", "not every_upsampler"),
        ("describe: defaults are not written", "    given.apply_defaults()\n", ""),
        ("describe: the package's weights win", '"pretrained": False}', '"pretrained": True}'),
        ("describe: the variant is forgotten", '{"variant": WORD_OF_VARIANT[kind], "pretrained": False}', '{"pretrained": False}'),
        ("describe: a cascade's first stage alone", "for up in upsampler.upsamplers]", "for up in upsampler.upsamplers[:1]]"),
        ("describe: attributes before arguments", "options.pop(name, getattr(upsampler, name))", "getattr(upsampler, name)"),
        ("make: classes of yours are not known", "KNOWN | {own.__name__: own for own in classes}", "KNOWN"),
        ("make: classes are not passed on", "make(s, classes, channels=channels)", "make(s, channels=channels)"),
        ("make: the folder's channels win", '    sizes |= {} if channels is None else {"channels": channels}\n', ""),
        ("make: sizes that nobody takes", " if name in taken}", "}"),
        ("make: any kind of word", "not isinstance(word, str) or ", ""),
        ("anything can be said", "return type(again) is type(value) and again == value", "return True"),
        ("a tuple is a list", "type(again) is type(value) and again == value", "list(again) == list(value) if isinstance(value, tuple) else again == value"),
        ("unnamed arguments are dropped", "(Parameter.VAR_POSITIONAL, Parameter.POSITIONAL_ONLY)", "()"),
    ),
    *family(
        "unstride/upsamplers/saving.py", ("tests/upsamplers/test_folder.py", "-k", "not every_upsampler"),
        ("remembers the parent's arguments", 'vars(self).setdefault("made_with", (args, options))', 'self.made_with = args, options'),
        ("signatures are lost", "    @wraps(init)\n", ""),
        ("any class will do", "if not isinstance(up, cls):", "if False:"),
        ("its own class is not known", "(cls, *classes)", "classes"),
        ("channels are not passed on", "known, channels=channels", "known, channels=None"),
    ),
    *family(
        "unstride/upsamplers/folder.py", ("tests/upsamplers/test_folder.py", "-k", "not every_upsampler"),
        ("the card is written again", "    if not (folder / CARD).exists():\n", "    if True:\n"),
        ("tensors share memory", ".contiguous().clone()", ".contiguous()"),
        ("in training mode", "return upsampler.eval()", "return upsampler.train()"),
        ("weights stay fresh", "    load_weights(upsampler, folder / WEIGHTS, str(config[\"upsampler\"]))\n", ""),
        ("half a file", "        unfinished.write_bytes(data)\n        unfinished.replace(path)", "        path.write_bytes(data)"),
        ("unfinished files stay", "        unfinished.unlink(missing_ok=True)", "        pass"),
        ("deep JSON", "(ValueError, RecursionError, OSError)", "(ValueError, OSError)"),
        ("lists are objects", "if not isinstance(config, dict):", "if False:"),
        ("a backbone is no matter", 'if "backbone" in config:\n        raise', 'if False:\n        raise'),
        ("what cannot be built", "except (TypeError, ValueError, LookupError, AttributeError, RuntimeError)", "except (LookupError)"),
        ("a missing file is a broken one", "    if not path.is_file():\n        raise ValueError(f\"weights must be a safetensors file, got {path}: no such file\")\n", ""),
        ("the card does not name your class", 'classes = f", classes=[{own}]" if own else ""', 'classes = ""'),
    ),
    *family(
        "unstride/upsamplers/hub.py", ("tests/upsamplers/test_hub.py",),
        ("everything is fetched", ", allow_patterns=[CONFIG, WEIGHTS]", ""),
        ("the card is overwritten", "kept = [CARD] if", "kept = None if"),
        ("always public", "private=private, exist_ok", "private=False, exist_ok"),
        ("the message is lost", "commit_message=message", 'commit_message="Upload with unstride"'),
        ("any name is a repository", "if not re.fullmatch(REPOSITORY, str(where)):", "if False:"),
        ("the repository comes first", "if Path(where).is_dir():", "if Path(where).is_dir() and Path(where).is_absolute():"),
        ("no second push", "exist_ok=True", "exist_ok=False"),
    ),
    *family(
        "unstride/models/pretrained.py", ("tests/models/test_pretrained.py", "-k", "not upsample and not main"),
        ("the stride is forgotten", '"stride": trunk.stride}', '"stride": None}'),
        ("weights stay fresh", '    load_weights(model, folder / WEIGHTS, "model")\n', ""),
        ("in training mode", "return model.eval()", "return model.train()"),
        ("any backbone is saved", 'or trunk.name == "custom"', ""),
        ("what is no Backbone is saved", 'not isinstance(trunk, Backbone) or trunk', 'trunk'),
        ("classes are not passed on", 'make(config["upsampler"], classes)', 'make(config["upsampler"])'),
        ("a wrong backbone is a traceback", "    with refusing(folder / CONFIG):\n", "    if True:\n"),
    ),
    *family(
        "unstride/models/batch.py", ("tests/models/test_pretrained.py", "-k", "upsample"),
        ("upsample: weights ignored", "stride, weights=weights, backbone_weights=backbone_weights,", "stride, backbone_weights=backbone_weights,"),
        ("upsample: the backbone's usual weights", "weights=weights, backbone_weights=backbone_weights,", "weights=weights,"),
    ),
    *family(
        "unstride/models/chosen.py", ("tests/models/test_chosen.py", "tests/models/test_pretrained.py", "-k", "main or upsample or weights or chosen"),
        ("another upsampler", "    if held != {name}:", "    if not held & {name}:"),
        ("any guide", "if up.guide_channels not in (None, 3):", "if False:"),
        ("the folder's channels", "Upsampler.from_pretrained(folder, channels=channels)", "Upsampler.from_pretrained(folder)"),
        ("options are not said", "described[\"upsampler_made_with\"] =", "_ ="),
        ("weights are ignored", "        load_weights(up, weights, name)\n", "        pass\n"),
        ("options are ignored", "{\"guide_channels\": 3} | options", "{\"guide_channels\": 3}"),
        ("options beside a folder", "        if options:\n", "        if False:\n"),
        ("the backbone's usual weights", "stride=stride, weights=backbone_weights)", "stride=stride)"),
        ("all come trained", "return pretrained is not None and bool(", "return pretrained is not None or bool("),
        ("none declines", "options.get(\"pretrained\", pretrained.default)", "pretrained.default"),
        ("stages are ignored", "    if stages != 1:\n        options", "    if False:\n        options"),
        ("no number is a number", "    for kind in (int, float):", "    for kind in ():"),
    ),
    *family(
        "unstride/data/views.py", ("tests/data/test_views.py",),
        ("nothing beyond the edges", "at = edge - (edge - at.remainder(2 * edge)).abs()", "at = at.clamp(0, edge)"),
        ("mirrors at the last pixel's centre", "at = edge - (edge - at.remainder(2 * edge)).abs()", "at = edge - 1 - (edge - 1 - at.remainder(2 * edge - 2)).abs()"),
        ("no flips", "flipped[:, None] < 0.5", "flipped[:, None] < 0"),
        ("all zoomed", "torch.where(zoomed < 0.5,", "torch.where(zoomed < 2,"),
        ("corner of the comb ignored", "(at - first - 0.5) / step", "(at - 0.5) / step"),
        ("half a sample off", "/ step + 0.5)", "/ step)"),
        ("padded on one side", "* spare - pad", "* spare"),
        ("views interleaved", "unflatten(1, (len(views), size[0])).movedim(1, 0)", "unflatten(1, (size[0], len(views))).movedim(2, 0)"),
    ),
    *family(
        "unstride/models/implicit.py", ("tests/models/test_implicit.py", "tests/models/test_implicit_fit.py", "-k", "given or depends or backbone or resumed"),
        ("the seed moves on", "torch.manual_seed(seed)", "torch.manual_seed(seed + i)"),
        ("one network for all", "for one, pair in zip(self.images, pairs, strict=True)", "for one, pair in zip([self.images[0]] * len(features), pairs, strict=True)"),
        ("the mean twice", "centred=self.adds", "centred=False"),
        ("a band of another width", "places_and_colours(guide, size)", "places_and_colours(guide, size).roll(1, 3)"),
        ("a training backbone is left in evaluation", "module.training = mode", "pass"),
        ("all parts go on training", "module.training = mode", "module.training = True"),
    ),
    *family(
        "unstride/models/implicit_fit.py", ("tests/models/test_implicit_fit.py",),
        ("keeps the last", "if error < lowest:", "if True:"),
        ("never out of patience", "waited = 0 if error < GAIN * lowest else waited + 1", "waited = 0"),
        ("any gain is enough", "if error < GAIN * lowest", "if error < lowest"),
        ("stops by views it learned from", "torch.arange(self.recipe.views, len(self.views))", "torch.arange(self.recipe.held_out)"),
        ("errors with dropout", "self.learned.eval()", "self.learned.train()"),
        ("does not start from bilinear", "nn.init.zeros_(parameter)", "pass"),
        ("bilinear half a pixel off", "first = (self.stride - 1) / 2", "first = self.stride / 2"),
        ("the map one pixel off", "step=self.step, corner=corner", "step=self.step, corner=(corner[0] + 1, corner[1])"),
        ("no prior", "self.recipe.smoothness * magnitude_variation(fine)", "0"),
        ("no pin", "if self.recipe.pin:", "if False:"),
        ("no doubt learned", "self.learned = nn.ModuleList([self.network, self.down, self.doubt])", "self.doubt.requires_grad_(False)\n        self.learned = nn.ModuleList([self.network, self.down, self.doubt])"),
        ("comb off the frame", "if stride % n == 0 and n >= wanted", "if n >= wanted"),
    ),
    *family(
        "unstride/models/components.py", ("tests/models/test_implicit_fit.py", "-k", "components"),
        ("not standardised", "cells = (cells - mean) / std", "cells = cells - mean"),
        ("the least components", "variances.flip(0)[:most], axes.flip(1)[:, :most]", "variances[:most], axes[:, :most]"),
        ("not scaled", "unit = variances.mean().clamp(min=1e-12).sqrt()", "unit = variances.new_ones(())"),
        ("never the mean", "return features if centred else features + self.mean", "return features"),
    ),
    *family(
        "unstride/pyramid.py", ("tests/test_pyramid.py",),
        ("strides as they come", "tuple(sorted(set(strides)))", "tuple(strides)"),
        ("channels of another layer", "stride: self.layers[index][1]", "stride: self.layers[index - 1][1]"),
        ("nothing taken out", 'if hasattr(self.model, "prune_intermediate_layers"):', "if False:"),
        ("no strides at all", "if not strides:", "if False:"),
        ("the classifier's layers of HRNet", 'if name.startswith("hrnet"):', "if False:"),
        ("the file forgotten", "pretrained, weights, num_classes=0", "pretrained, None, num_classes=0"),
    ),
    *family(
        "unstride/upsamplers/inside.py", ("tests/necks/test_fpn.py",),
        ("a bound guide overruled", 'or "guide_channels" in getattr(factory, "keywords", {})', ""),
        ("the guide's channels not told", "if guide_channels is None or not takes", "if True or not takes"),
        ("the image never at hand", "for guide in (finer, image):", "for guide in (finer,):"),
        ("any guide will do", "and guide.shape[1] == needed:", ":"),
    ),
    *family(
        "unstride/necks/fpn.py", ("tests/necks/test_fpn.py",),
        ("nearest about centres by default", 'mode = "nearest"\n', 'mode = "nearest-exact"\n'),
        ("no top-down path", "laterals[i] = fine + coarse", "laterals[i] = fine"),
        ("the coarser level before its sum", "for i in reversed(range(len(self.upsamplers))):", "for i in range(len(self.upsamplers)):"),
        ("guided by the coarse level", "size, finer=fine, image=image", "size, finer=laterals[i + 1], image=image"),
        ("no image", "finer=fine, image=image", "finer=fine"),
        ("always twice", "coarse // fine, guide_channels=width", "2, guide_channels=width"),
        ("not smoothed", "stride: block(lateral)", "stride: lateral"),
        ("strides not checked", "if not channels or any(", "if not channels and any("),
        ("torch's own start", "nn.init.kaiming_uniform_(convolution.weight, a=1)\n", "\n"),
        ("bias at random", "nn.init.zeros_(convolution.bias)", "None"),
        ("bias beside the norm", "bias=norm is None", "bias=True"),
        ("old names unknown", "self.register_load_state_dict_pre_hook(_rename_old)", "pass"),
        ("extra levels from the features alone", "levels[coarsest], features[coarsest])", "features[coarsest], features[coarsest])"),
    ),
    *family(
        "unstride/necks/extra_levels.py", ("tests/necks/test_fpn.py",),
        ("a true maximum", "kernel_size=1, stride=2", "kernel_size=2, stride=2"),
        ("always from the features", "self.from_level = channels == width", "self.from_level = False"),
        ("no rectification", "self.p7(relu(p6))", "self.p7(p6)"),
        ("P7 at three times", "4 * stride: self.p7", "3 * stride: self.p7"),
    ),
    *family(
        "unstride/blocks.py", ("tests/heads/test_semantic_branch.py",),
        ("another norm", "convolution, norm(after), nn.ReLU()", "convolution, nn.BatchNorm2d(after), nn.ReLU()"),
        ("another number of groups", "NORM_GROUPS = 32", "NORM_GROUPS = 16"),
    ),
    *family(
        "unstride/necks/pyramid_pooling.py", ("tests/necks/test_pyramid_pooling.py",),
        ("other parts", "SIZES = (1, 2, 3, 6)", "SIZES = (1, 2, 4, 6)"),
        ("maxima", "narrow(adaptive_avg_pool2d(features, size))", "narrow(nn.functional.adaptive_max_pool2d(features, size))"),
        ("features forgotten", "maps = [features]", "maps = [0 * features]"),
        ("nearest in one step", '(h, w), mode="bilinear")', '(h, w), mode="nearest")'),
        ("nearest in the first step", '(-(-h // 2), -(-w // 2)), mode="bilinear")', '(-(-h // 2), -(-w // 2)), mode="nearest")'),
        ("half rounded down", "(-(-h // 2), -(-w // 2))", "(h // 2, w // 2)"),
        ("the first operator for all", "self.upsamplers[i], (h, w)", "self.upsamplers[0], (h, w)"),
        ("guide of the pooled width", "width, guide_channels=channels)", "width, guide_channels=width)"),
        ("no image", "finer=features, image=image", "finer=features"),
    ),
    *family(
        "unstride/necks/fusion.py", ("tests/necks/test_fusion.py",),
        ("coarse first", "torch.cat([finest, *rest], 1)", "torch.cat([*rest, finest], 1)"),
        ("nearest by default", 'whole, mode="bilinear"', 'whole, mode="nearest"'),
        ("from level to level: coarse first", "torch.cat([fine, maps], 1)", "torch.cat([maps, fine], 1)"),
        ("operators in the wrong order", "for i in reversed(range(len(self.upsamplers))):", "for i in range(len(self.upsamplers)):"),
        ("always twice", "together, coarse // fine,", "together, 2,"),
        ("guided by the coarser", "guide = channels[fine]", "guide = channels[coarse]"),
        ("no image", "finer=fine, image=image", "finer=fine"),
    ),
    *family(
        "unstride/heads/semantic_branch.py", ("tests/heads/test_semantic_branch.py",),
        ("strides as they come", "self.strides = sorted(strides)", "self.strides = list(strides)"),
        ("enlarged before the convolution", "return enlarged(self.block(maps), self.up, size, finer=finer, image=image)", "return self.block(enlarged(maps, self.up, size, finer=finer, image=image))"),
        ("the last chain only", "total = total + maps", "total = maps"),
        ("the finest level twice", "maps = levels[self.strides[last]]", "maps = levels[self.strides[last - 1]]"),
        ("guided from fine to coarse", "zip(chain.children(), reversed(self.strides[:last]), strict=True)", "zip(chain.children(), self.strides[:last], strict=True)"),
        ("no group normalisation", "conv_norm_relu(channels, width, 3, group_norm)", "conv_norm_relu(channels, width, 3)"),
        ("no image", "maps = stage(maps, levels[fine], image)", "maps = stage(maps, levels[fine])"),
    ),
    *family(
        "unstride/heads/object_context.py", ("tests/heads/test_object_context.py",),
        ("softmax over classes", "logits.flatten(2).softmax(2)", "logits.flatten(2).softmax(1)"),
        ("scores not scaled", " / keys.shape[1] ** 0.5", ""),
        ("softmax over pixels", "scores.softmax(2).mT", "scores.softmax(1).mT"),
        ("context not seen", "torch.cat([pixels, self.context(found)], 1)", "torch.cat([pixels, 0 * self.context(found)], 1)"),
        ("pixels not seen", "torch.cat([pixels, self.context(found)], 1)", "torch.cat([0 * pixels, self.context(found)], 1)"),
        ("rough logits cut off", "class_means(pixels, rough)", "class_means(pixels, 0 * rough)"),
        ("rough for final", "return self.predict(mixed), rough", "return rough, rough"),
    ),
    *family(
        "unstride/models/segmenter.py", ("tests/models/test_segmenters.py", "-k", "not operator_at_any"),
        ("not padded", "image = pad_image(image, size)\n", ""),
        ("not cropped", "size, image=image)[:, :, :height, :width]", "size, image=image)"),
        ("cropped at the other end", "size, image=image)[:, :, :height, :width]", "size, image=image)[:, :, -height:, -width:]"),
        ("no auxiliary logits", "if rough is None or not auxiliary:", "if True:"),
        ("auxiliary nearest", 'interpolate(rough, size, mode="bilinear")', 'interpolate(rough, size, mode="nearest")'),
        ("guided by nothing", "self.last, size, image=image)", "self.last, size)"),
        ("always four", "last_upsampler, classes, pyramid.strides[0]", "last_upsampler, classes, 2"),
    ),
    *family(
        "unstride/models/semantic_fpn.py", ("tests/models/test_segmenters.py", "-k", "places or needs_the_image"),
        ("one operator for both", "width, fpn_upsampler)", "width, upsampler)"),
        ("no image in the branch", "self.branch(levels, image)", "self.branch(levels)"),
        ("no image in the neck", "self.fpn(features, image)", "self.fpn(features)"),
    ),
    *family(
        "unstride/models/upernet.py", ("tests/models/test_segmenters.py", "-k", "places or needs_the_image or upernet"),
        ("pooling has the fusion's", "width, pooling_upsampler)", "width, fusion_upsampler)"),
        ("fusion has the network's", "width), fusion_upsampler)", "width), fpn_upsampler)"),
        ("no pooled level", "self.fpn(features | {coarsest: pooled}, image)", "self.fpn(features | {coarsest: pooled.detach()}, image)"),
        ("no image in the pooling", "self.pooling(features[coarsest], image)", "self.pooling(features[coarsest])"),
        ("no image in the fusion", "self.fusion(levels, image)", "self.fusion(levels)"),
        ("no image in the neck", "{coarsest: pooled}, image)", "{coarsest: pooled})"),
        ("no batch normalisation", "norm=nn.BatchNorm2d", "norm=None"),
    ),
    *family(
        "unstride/models/hrnet_ocr.py", ("tests/models/test_segmenters.py", "-k", "places or needs_the_image or hrnet"),
        ("always bilinear", "Fusion(pyramid.channels, upsampler)", "Fusion(pyramid.channels)"),
        ("no image", "self.fusion(features, image)", "self.fusion(features)"),
        ("widths swapped", "width=width, key_width=key_width", "width=key_width, key_width=width"),
    ),
    *family(
        "unstride/metrics/panoptic_quality.py", ("tests/metrics/test_panoptic_quality.py", "-k", "drawn or half or forgiven or classes or disagree or thing"),
        ("half is a match", "(2 * shared > union)", "(2 * shared >= union)"),
        ("classes may differ", "match = same & ~crowd &", "match = ~crowd &"),
        ("a crowd may match", "match = same & ~crowd &", "match = same &"),
        ("a crowd is missed", "missed = ~match.any(0) & ~crowd", "missed = ~match.any(0)"),
        ("void stays in the union", "- shared - void", "- shared"),
        ("void is not forgiven", "forgiven = void[:, 0] + (", "forgiven = ("),
        ("another class's crowd forgives", "(same & crowd)", "crowd"),
        ("half is forgiven", "(2 * forgiven <= overlap", "(2 * forgiven < overlap"),
        ("false ones weigh one", "(self.false + self.missed).double() / 2", "(self.false * 2 + self.missed).double() / 2"),
        ("absent classes count", "occurs = weight / weight", "occurs = torch.ones_like(weight)"),
        ("stuff among things", "slice(self.things, None)", "slice(None)"),
        ("maps exchanged", "(rows * n + columns)", "(columns * m + rows)"),
        ("sizes unchecked", "if prediction.shape != target.shape:", "if False:"),
    ),
    *family(
        "unstride/data/panoptic_file.py", ("tests/data/test_panoptic_file.py", "tests/metrics/test_panoptic_quality.py", "-k", "bytes or read or numbers or coco_infos or written or broken or whole or named or disagree"),
        ("blue for red", "torch.tensor([1, 256, 65536])", "torch.tensor([65536, 256, 1])"),
        ("two bytes", "ids // 65536], -1)", "ids // 65536 * 0], -1)"),
        ("boxes one short", "int(columns.max()) + 1 - left", "int(columns.max()) - left"),
        ("crowds forgotten", "\"iscrowd\": int(segment.is_crowd)", "\"iscrowd\": 0"),
        ("things are stuff", "\"isthing\": int(c.is_thing)", "\"isthing\": 0"),
        ("names are counted", "number = int(name) if name.isdecimal() else place", "number = place"),
        ("any size", "(size is not None and image.size != (size[1], size[0]))", "False"),
        ("unnamed pixels", "if missing := sorted(drawn - set(named)):", "if missing := []:"),
        ("empty segments", "if empty := sorted(set(named) - drawn):", "if empty := []:"),
        ("any category", "if segment.category not in known:", "if False:"),
        ("ids too large", "if ids.numel() and not 0 <=", "if False and not 0 <="),
    ),
    *family(
        "unstride/data/masks.py", ("tests/data/test_masks.py",),
        ("sums unchecked", "if sum(counts) != size[0] * size[1]:", "if False:"),
        ("negative runs", "isinstance(n, int) and n >= 0 for", "isinstance(n, int) for"),
        ("half polygons", "or len(points) % 2:", ":"),
        ("one polygon only", "[_polygon(p) for p in segmentation]", "[_polygon(p) for p in segmentation[:1]]"),
        ("any size", "segmentation.get(\"size\") != list(size)", "False"),
    ),
    *family(
        "unstride/data/instances.py", ("tests/data/test_instances.py", "-k", "not real"),
        ("boxes end at a pixel's start", "last = size - within", "last = size - 1 - within"),
        ("rows for columns", "(masks.any(1), masks.any(2))", "(masks.any(2), masks.any(1))"),
        ("boxes beyond the border", "boxes.clamp(torch.zeros(4), torch.tensor([width, height, width, height]))", "boxes"),
        ("boxes without area", "real = (boxes[:, 2:] > boxes[:, :2]).all(1)", "real = torch.ones(len(boxes), dtype=torch.bool)"),
        ("only crowds", "single = ~target", "single = target"),
        ("moves the image only", "else self.transforms(image, target)", "else (self.transforms(image), target)"),
    ),
    *family(
        "unstride/data/coco_detection.py", ("tests/data/test_instances.py", "-k", "not real"),
        ("boxes by their other corner", "left + width, top + height", "width, height"),
        ("labels from 0", "self.categories.index(entry[\"category_id\"]) + 1", "self.categories.index(entry[\"category_id\"])"),
        ("crowds forgotten", "bool(entry.get(\"iscrowd\", 0))", "False"),
        ("classes in the file's order", "known = sorted(read_categories(self.file, document))", "known = read_categories(self.file, document)"),
        ("photographs in the file's order", "self.image_ids = sorted(entries)", "self.image_ids = list(entries)"),
        ("missing photographs", "if not path.is_file():\n                raise", "if False:\n                raise"),
    ),
    *family(
        "unstride/data/pennfudan.py", ("tests/data/test_instances.py", "-k", "pedestrian"),
        ("every fourth", "place % 5", "place % 4"),
        ("background is a pedestrian", "if n > 0]", "]"),
    ),
    *family(
        "unstride/data/panoptic_targets.py", ("tests/models/test_panoptic_merge.py", "-k", "targets or centres_of"),
        ("to the pixel's corner", "axis.float().mean() + 0.5", "axis.float().mean()"),
        ("rows for columns", "y, x = (axis", "x, y = (axis"),
        ("offsets the other way", "x - columns, offsets[0]", "columns - x, offsets[0]"),
        ("crowds have centres", "        if segment.is_crowd:\n", "        if False:\n"),
        ("void is known", "is_known = torch.zeros_like(ids, dtype=torch.bool), ids != 0", "is_known = torch.zeros_like(ids, dtype=torch.bool), ids >= 0"),
        ("stuff from 0", "enumerate(classes.stuff, 1)}", "enumerate(classes.stuff, 0)}"),
        ("void is a thing", "painted = torch.full_like(ids, UNLABELLED)", "painted = torch.zeros_like(ids)"),
    ),
    *family(
        "unstride/models/panoptic_merge.py", ("tests/models/test_panoptic_merge.py", "-k", "not truth"),
        ("the worse above", "scores.argsort(descending=True, stable=True).tolist()", "scores.argsort(stable=True).tolist()"),
        ("objects overwrite", "seen = masks[i] & (ids == 0)", "seen = masks[i]"),
        ("hidden ones stay", "area - left > max_overlap * area", "False"),
        ("half hidden is dropped", "area - left > max_overlap * area", "area - left >= max_overlap * area"),
        ("any score", "if scores[i] < min_score:", "if False:"),
        ("small stuff stays", "area < max(min_area, 1)", "area < 1"),
        ("stuff over objects", "region = (semantic == number) & free", "region = semantic == number"),
        ("peaks everywhere", "(heat == highest) &", "(heat > 0) &"),
        ("low peaks", "& (heat >= min_heat)", ""),
        ("points and centres transposed", "centres.flip(1).to(led.dtype)", "centres.to(led.dtype)"),
        ("offsets unused", "led = offsets[:, rows, columns] +", "led = 0 * offsets[:, rows, columns] +"),
        ("the least decide", "int(vote.argmax())", "int(vote.argmin())"),
        ("empty centres", "if vote.any():", "if True:"),
    ),
    *family(
        "unstride/models/detection.py", ("tests/models/test_detection.py", "-k", "batch or refused or deconvolution or frozen or (numbers and 90)"),
        ("padded with black", "colour.expand(len(images), 3, height, width).clone()", "0 * colour.expand(len(images), 3, height, width)"),
        ("boxes pooled from the extra level", "[str(s) for s in trunk.strides]", "[str(s) for s in trunk.levels]"),
        ("larger anchors", "[(8 * s,) for s in trunk.levels]", "[(9 * s,) for s in trunk.levels]"),
        ("other octaves", "2 ** (n / 3)", "2 ** (n / 2)"),
        ("another scale of FCOS", "[(s,) for s in trunk.levels]", "[(2 * s,) for s in trunk.levels]"),
        ("epsilon unused", "norm.eps if epsilon is None else epsilon", "norm.eps"),
        ("guided mask heads", "if self.conv5_mask.guide_channels is not None:", "if False:"),
    ),
    *family(
        "unstride/models/panoptic_fpn.py", ("tests/models/test_panoptic_fpn.py",),
        ("crowds are learned", "[without_crowds(t) for t in targets]", "list(targets)"),
        ("void is learned", "ignore_index=UNLABELLED", "ignore_index=-1"),
        ("the padding is learned", "part = one[None, :, :height, :width]", "part = interpolate(one[None], (height, width))"),
        ("classes between classes", "mode=\"nearest-exact\"", "mode=\"bilinear\""),
        ("the mean counts void", "known += int((semantic != UNLABELLED).sum())", "known += semantic.numel()"),
        ("of the padded size", "interpolate(part, size, mode=\"bilinear\")[0]", "part[0]"),
    ),
    *family(
        "unstride/models/panoptic_deeplab.py", ("tests/models/test_panoptic_deeplab.py",),
        ("all pixels are hard", "HARDEST = 0.2", "HARDEST = 1.0"),
        ("unknown heat", "squares = (fields.heat - heat).square()[is_known]", "squares = (fields.heat - heat).square()[is_known | True]"),
        ("offsets everywhere", "[is_object & is_known]", "[is_known]"),
        ("one axis only", ".abs().sum(1)[", ".abs()[:, 0]["),
        ("skips unused", "torch.cat([wide, finer], 1)", "torch.cat([wide, 0 * finer], 1)"),
        ("not cut to the image", "[:, :, :height, :width] for m in maps", "for m in maps"),
    ),
    *family(
        "unstride/data/coco_results.py", ("tests/data/test_coco_results.py",),
        ("corners", "right - left, bottom - top", "right, bottom"),
        ("labels are categories", "categories[label - 1]", "label"),
        ("half is outside", ">= 0.5", "> 0.5"),
    ),
]  # fmt: skip


class Broken(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Loads one module from a mutant's source."""

    def __init__(self, mutant: Mutant, path: Path):
        self.mutant, self.path = mutant, path
        path.write_text(mutant.source())

    def find_spec(self, fullname, path=None, target=None):
        """Ours, or nobody's."""
        if fullname == self.mutant.module:
            return importlib.util.spec_from_file_location(fullname, self.path)
        return None

    def get_filename(self, fullname):
        """Where tracebacks look."""
        return str(self.path)

    def get_data(self, path):
        """The broken source."""
        return Path(path).read_bytes()


def survives(mutant: Mutant) -> bool:
    """Whether all responsible tests pass; in a child, since a broken kernel may crash."""
    child = os.fork()
    if child == 0:
        import pytest

        with tempfile.TemporaryDirectory() as folder:
            if mutant.file.endswith("cpu.py"):
                os.environ["NUMBA_CACHE_DIR"] = folder  # never a kernel of the whole source
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1), os.dup2(sink, 2)
            sys.meta_path.insert(0, Broken(mutant, Path(folder) / "broken.py"))
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *mutant.tests])
        os._exit(int(code))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (2, 3, 4, 5):
        raise RuntimeError(f"{mutant.file}: {mutant.name}: the tests did not run (pytest: {code})")
    return code == 0


def main() -> int:
    """Kill them all; the number of survivors is the exit code."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose file or name has this in it")
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ.setdefault("TRITON_INTERPRET", "1")
    chosen = [m for m in MUTANTS if options.only in f"{m.file} {m.name}"]
    for mutant in chosen:
        mutant.source()  # a replacement that no longer fits is found before the long wait
    import torch  # noqa: F401  loaded once, before the forks

    console = Console(highlight=False)
    alive = []
    for mutant in track(chosen, "mutants", console=console):
        if survives(mutant):
            alive.append(mutant)
        fate = "LIVES" if mutant in alive else "dies"
        console.print(f"{fate}: {mutant.file}: {mutant.name}", markup=False)
    console.print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants were noticed")
    return len(alive)


if __name__ == "__main__":
    sys.exit(main())
