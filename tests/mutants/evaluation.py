"""Ways to break evaluation."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/evaluation/cam.py", ("tests/evaluation/test_measures.py", "-k", "map or drop"),
        ("negative scores count", "scores.clamp(min=0).view", "scores.view"),
        ("not stretched", "(scores - low) / (high - low)", "(scores - low) / (0 * high + 1 - low)"),
        ("the image without its map", "shown = image * class_activation_map", "shown = image * 0.5 + 0 * class_activation_map"),
        ("class 0", ".softmax(1)[:, label]", ".softmax(1)[:, 0]"),
        ("a band too few", "for band in pixels.split(CHUNK_SIZE)]", "for band in pixels.split(CHUNK_SIZE)][::-1]"),
    ),
    *mutants_of(
        "unstride/evaluation/candidates.py", ("tests/evaluation/test_candidates.py",),
        ("untrained rows are random", "torch.manual_seed(0)", "pass"),
        ("the caller's random numbers", "with torch.random.fork_rng():", "if True:"),
        ("no repeated doublings", "return stride.bit_length() - 1 if learns else 1", "return 1"),
        ("fitted again", "if digest not in self.fitted:", "if True:"),
        ("all images share a fit", 'hashlib.sha256(b"".join(seen))', "hashlib.sha256(b'')"),
        ("no gradient in a fit", "with torch.inference_mode(False), torch.enable_grad():", "if True:"),
        ("all is shipped", "if has_packaged_weights(name, options) else", "if True else"),
    ),
    *mutants_of(
        "unstride/evaluation/consistency.py", ("tests/evaluation/test_measures.py", "-k", "consistency"),
        ("no mean over views", "errors /= VIEWS_PER_SEED * len(bench.scoring)", "errors /= len(bench.scoring)"),
        ("each seed sees the same views", "manual_seed(seed * 1_000_003 + place)", "manual_seed(place)"),
        ("relative to itself", "errors[:, 0] / errors[:, 1]", "errors[:, 0] / errors[:, 0]"),
        ("the view's features are upsampled", "(row.upsampler(bench.frozen, image, coarse), bilinear)", "(bilinear, bilinear)"),
    ),
    *mutants_of(
        "unstride/evaluation/cost.py", ("tests/evaluation/test_measures.py", "-k", "time or memory"),
        ("the warm-up counts", "            if turn:", "            if True:"),
        ("bilinear over the row", "own / bilinear", "bilinear / own"),
    ),
    *mutants_of(
        "unstride/evaluation/feature_dataset.py", ("tests/evaluation/test_frozen_features.py", "tests/evaluation/test_linear_probe.py"),
        ("features are not kept", "self.kept[index] = self.backbone(image).half().cpu()", "return self.backbone(image).half().cpu()"),
    ),
    *mutants_of(
        "unstride/evaluation/feature_evaluation.py", ("tests/evaluation/test_feature_evaluation.py",),
        ("labels may repeat", "if labels.count(label) > 1", "if labels.count(label) > 9"),
        ("a measure without data", "if kinds and not any(", "if False and any("),
        ("no folder by name", "self.data / name if (self.data / name).is_dir() else self.data", "self.data"),
    ),
    *mutants_of(
        "unstride/evaluation/feature_grid.py", ("tests/evaluation/test_frozen_features.py", "tests/evaluation/test_linear_probe.py"),
        ("labels at corners", "+ 0.5) * self.step).long()", ") * self.step).long()"),
        ("cells outside the image", "rows[rows < size[0]], columns[columns < size[1]]", "rows, columns"),
        ("answers not cropped", "maps[:, :, : size[0], : size[1]]", "maps"),
    ),
    *mutants_of(
        "unstride/evaluation/frozen_features.py", ("tests/evaluation/test_frozen_features.py", "tests/evaluation/test_linear_probe.py"),
        ("statistics of one image", "total, squares = total + cells.sum(1), squares + cells.square().sum(1)", "total, squares = cells.sum(1), cells.square().sum(1)"),
        ("no deviation", "clamp(min=MIN_STD**2)", "clamp(min=1)"),
    ),
    *mutants_of(
        "unstride/evaluation/linear_probe.py", ("tests/evaluation/test_linear_probe.py",),
        ("the schedule is not stepped", "        cosine.step()", "        pass"),
        ("the schedule is stepped twice", "        cosine.step()", "        cosine.step(); cosine.step()"),
        ("the seed does not choose pixels", "manual_seed(seed * 1_000_003 + place)", "manual_seed(place)"),
        ("the seed does not start the probe", "    generator = torch.Generator().manual_seed(seed)\n    head", "    generator = torch.Generator().manual_seed(0)\n    head"),
        ("the first weights are anyone's", "parameter.uniform_(-reach, reach, generator=generator)", "parameter.uniform_(-reach, reach)"),
        ("unlabelled pixels are drawn", "known = task.known(target).flatten().nonzero()[:, 0]", "known = torch.arange(target.numel())"),
        ("labels of other pixels", "target.flatten()[chosen]", "target.flatten()[chosen.flip(0)]"),
        ("all probes score as the first", "answers.split(task.outputs, 1)", "[answers[:, : task.outputs]] * len(heads)"),
        ("the bias is lost", "weight[:, :, None, None], bias)", "weight[:, :, None, None])"),
        ("features are not standardised in scoring", 'for image, labels, coarse in split.walk(f"{row.label}: scoring"):\n        features = grid.frozen.standardised(coarse)', 'for image, labels, coarse in split.walk(f"{row.label}: scoring"):\n        features = coarse'),
        ("large splits are not subset", "min(self.pixels, self.most // max(images, 1))", "self.pixels"),
    ),
    *mutants_of(
        "unstride/evaluation/probe_measures.py", ("tests/evaluation/test_measures.py", "-k", "transfer"),
        ("transfer learns from the row", 'Candidate("cells", IdentityUpsampler()), missing, cells)', "row, missing, bench.grid)"),
        ("transfer trains again", "if seed not in bench.cell_probes", ""),
        ("transfer mixes seeds", "[bench.cell_probes[seed] for seed in seeds]", "list(bench.cell_probes.values())[: len(seeds)][::-1]"),
    ),
    *mutants_of(
        "unstride/evaluation/probe_tasks.py", ("tests/evaluation/test_linear_probe.py",),
        ("the worst class", "answers.max(0)", "answers.min(0)"),
        ("depth without its logarithm", "- labels.log()).abs()", "- labels).abs()"),
        ("far depth is known", "& (labels < self.caps[1])", ""),
        ("one set's caps for all", "DepthTask(dataset.caps)", "DepthTask((0.001, 10.0))"),
        ("scored as deep as usual", "DepthErrors(caps)", "DepthErrors()"),
    ),
    *mutants_of(
        "unstride/evaluation/report.py", ("tests/evaluation/test_runner.py",),
        ("difference of the means of other rows", "one[value] - two[value]", "two[value] - one[value]"),
        ("population deviation", "statistics.stdev", "statistics.pstdev"),
    ),
    *mutants_of(
        "unstride/evaluation/results.py", ("tests/evaluation/test_runner.py",),
        ("one file for all options", "hashlib.sha256(text.encode())", "hashlib.sha256(b'')"),
    ),
    *mutants_of(
        "unstride/evaluation/runner.py", ("tests/evaluation/test_runner.py",),
        ("computed again", "if found[seed] is None]", "]"),
        ("the schedule is no option", 'options["schedule"] = repr(bench.schedule)', "pass"),
        ("the images are no option", "options |= bench.described()", 'options |= {"dataset": bench.name, "grid": bench.stride}'),
        ("the backbone's weights are no option", "weights_fingerprint(bench.backbone)", "0"),
        ("the row is no option", "options | row.described()", 'options | {"row": row.label}'),
        ("failures are not told", "outcome.failed.append", "str"),
        ("a failure ends all", "except Exception as error:", "except KeyError as error:"),
        ("any data set will do", "[bench for bench in benches if bench.kind in kinds]", "list(benches)"),
    ),
    *mutants_of(
        "unstride/evaluation/segment_measure.py", ("tests/evaluation/test_measures.py", "-k", "segments"),
        ("no features", "pixel_features(bench.frozen, up, features, image)[0]", "pixel_features(bench.frozen, up, 0 * features, image)[0]"),
    ),
]  # fmt: skip
